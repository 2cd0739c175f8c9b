// SPDX-License-Identifier: MIT
/*
 * ioctl_table.c: ioctls that have a row: those without direction and size in their number, and those that don't keep to
 * what it says. The argument is args[2]. Structs that the kernel has in another form than the C library are given by size.
 * One line per number; what is in angle brackets on top of a group is where the numbers come from.
 */
#include "sys/fns.h"
#include "sys/ioctl.h"

#include <asm/ioctls.h>
#include <linux/blkpg.h>
#include <linux/blktrace_api.h>
#include <linux/blkzoned.h>
#include <linux/btrfs.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/fscrypt.h>
#include <linux/fsverity.h>
#include <linux/hdreg.h>
#include <linux/if_tun.h>
#include <linux/input.h>
#include <linux/kd.h>
#include <linux/loop.h>
#include <linux/nsfs.h>
#include <linux/random.h>
#include <linux/serial.h>
#include <linux/sockios.h>
#include <linux/vt.h>

#define TERMIOS_LEN 36u	 /* struct termios of the kernel */
#define TERMIO_LEN  18u	 /* struct termio */
#define WINSIZE_LEN 8u	 /* struct winsize */
#define SERIAL_LEN  72u	 /* struct serial_struct */
#define ICOUNT_LEN  80u	 /* struct serial_icounter_struct */
#define RS485_LEN   32u	 /* struct serial_rs485 */
#define IFREQ_LEN   40u	 /* struct ifreq */
#define ARPREQ_LEN  68u	 /* struct arpreq */
#define RTENTRY_LEN 120u /* struct rtentry */
#define TIMEVAL_LEN 16u	 /* struct timeval, struct timespec */
#define FPROG_LEN   16u	 /* struct sock_fprog */

/* clang-format off */
#define CMD(cmd, ...)	    { .value = (uint32_t)(cmd), .name = #cmd, .rules = RULES(__VA_ARGS__) }
#define CMD_WAITS(cmd, ...) { .value = (uint32_t)(cmd), .name = #cmd, .rules = RULES(__VA_ARGS__), .waits = true }
#define NEW(num, cmd, ...)  { .value = (uint32_t)(num), .name = #cmd, .rules = RULES(__VA_ARGS__) }

const struct sys_case sys_ioctl_cases[] = {
	/* Any descriptor <asm-generic/ioctls.h> */
	CMD(FIONREAD, OUT(2, 4)),
	CMD(FIONBIO, IN(2, 4)),
	CMD(FIOASYNC, IN(2, 4)),
	CMD(FIONCLEX, NONE),
	CMD(FIOCLEX, NONE),
	CMD(FIOQSIZE, OUT(2, 8)),

	/* Terminals <asm-generic/ioctls.h>, ioctl_tty(2) */
	CMD(TCGETS, OUT(2, TERMIOS_LEN)),
	CMD(TCSETS, IN(2, TERMIOS_LEN)),
	CMD_WAITS(TCSETSW, IN(2, TERMIOS_LEN)),
	CMD_WAITS(TCSETSF, IN(2, TERMIOS_LEN)),
	CMD(TCGETA, OUT(2, TERMIO_LEN)),
	CMD(TCSETA, IN(2, TERMIO_LEN)),
	CMD_WAITS(TCSETAW, IN(2, TERMIO_LEN)),
	CMD_WAITS(TCSETAF, IN(2, TERMIO_LEN)),
	NEW(0x802c542a, TCGETS2, OUT(2, 44)),
	NEW(0x402c542b, TCSETS2, IN(2, 44)),
	{ .value = 0x402c542c, .name = "TCSETSW2", .rules = RULES(IN(2, 44)), .waits = true },
	{ .value = 0x402c542d, .name = "TCSETSF2", .rules = RULES(IN(2, 44)), .waits = true },
	CMD_WAITS(TCSBRK, NONE),
	CMD_WAITS(TCSBRKP, NONE),
	CMD_WAITS(TIOCSBRK, NONE),
	CMD(TIOCCBRK, NONE),
	CMD(TCXONC, NONE),
	CMD(TCFLSH, NONE),
	CMD(TIOCEXCL, NONE),
	CMD(TIOCNXCL, NONE),
	CMD(TIOCSCTTY, NONE),
	CMD(TIOCNOTTY, NONE),
	CMD(TIOCGPGRP, OUT(2, 4)),
	CMD(TIOCSPGRP, IN(2, 4)),
	CMD(TIOCGSID, OUT(2, 4)),
	CMD(TIOCOUTQ, OUT(2, 4)),
	CMD(TIOCSTI, IN(2, 1)),
	CMD(TIOCGWINSZ, OUT(2, WINSIZE_LEN)),
	CMD(TIOCSWINSZ, IN(2, WINSIZE_LEN)),
	CMD(TIOCMGET, OUT(2, 4)),
	CMD(TIOCMSET, IN(2, 4)),
	CMD(TIOCMBIS, IN(2, 4)),
	CMD(TIOCMBIC, IN(2, 4)),
	CMD_WAITS(TIOCMIWAIT, NONE),
	CMD(TIOCGSOFTCAR, OUT(2, 4)),
	CMD(TIOCSSOFTCAR, IN(2, 4)),
	CMD(TIOCLINUX, UNDESCRIBED), /* many commands in one */
	CMD(TIOCCONS, NONE),
	CMD(TIOCGSERIAL, OUT(2, SERIAL_LEN)),
	CMD(TIOCSSERIAL, IN(2, SERIAL_LEN)),
	CMD(TIOCSERGETLSR, OUT(2, 4)),
	CMD(TIOCGICOUNT, OUT(2, ICOUNT_LEN)),
	CMD(TIOCGRS485, OUT(2, RS485_LEN)),
	CMD(TIOCSRS485, INOUT(2, RS485_LEN)),
	CMD(TIOCPKT, IN(2, 4)),
	CMD(TIOCSETD, IN(2, 4)),
	CMD(TIOCGETD, OUT(2, 4)),
	CMD(TIOCGLCKTRMIOS, OUT(2, TERMIOS_LEN)),
	CMD(TIOCSLCKTRMIOS, IN(2, TERMIOS_LEN)),
	CMD(TIOCVHANGUP, NONE),
	CMD(TIOCGPTPEER, NONE), /* returns a descriptor */
	CMD(TIOCGPTN, OUT(2, 4)),
	CMD(TIOCSPTLCK, IN(2, 4)),
	CMD(TIOCGPTLCK, OUT(2, 4)),
	CMD(TIOCGPKT, OUT(2, 4)),
	CMD(TIOCGEXCL, OUT(2, 4)),
	CMD(TIOCGDEV, OUT(2, 4)),
	CMD(TIOCSIG, NONE), /* by value, whatever the number says */

	/* Consoles <linux/kd.h>, <linux/vt.h>, ioctl_console(2) */
	CMD(KDGKBTYPE, OUT(2, 1)),
	CMD(KDGETMODE, OUT(2, 4)),
	CMD(KDSETMODE, NONE),
	CMD(KDGKBMODE, OUT(2, 4)),
	CMD(KDSKBMODE, NONE),
	CMD(KDGKBMETA, OUT(2, 4)),
	CMD(KDSKBMETA, NONE),
	CMD(KDGETLED, OUT(2, 1)),
	CMD(KDSETLED, NONE),
	CMD(KDGKBLED, OUT(2, 1)),
	CMD(KDSKBLED, NONE),
	CMD(KDGKBENT, INOUT(2, 4)),
	CMD(KDSKBENT, IN(2, 4)),
	CMD(KIOCSOUND, NONE),
	CMD(KDMKTONE, NONE),
	CMD(VT_OPENQRY, OUT(2, 4)),
	CMD(VT_GETMODE, OUT(2, 8)),
	CMD(VT_SETMODE, IN(2, 8)),
	CMD(VT_GETSTATE, OUT(2, 6)),
	CMD(VT_RELDISP, NONE),
	CMD(VT_ACTIVATE, NONE),
	CMD_WAITS(VT_WAITACTIVE, NONE),
	CMD(VT_DISALLOCATE, NONE),

	/* Files and file systems <linux/fs.h>; the numbers of the first two lie about the size: an int is moved */
	CMD(FS_IOC_GETFLAGS, OUT(2, 4)),
	CMD(FS_IOC_SETFLAGS, IN(2, 4)),
	CMD(FS_IOC_GETVERSION, OUT(2, 4)),
	CMD(FS_IOC_SETVERSION, IN(2, 4)),
	CMD(FS_IOC_FSGETXATTR, OUT(2, 28)),
	CMD(FS_IOC_FSSETXATTR, IN(2, 28)),
	CMD(FS_IOC_GETFSLABEL, OUT(2, 256)),
	CMD(FS_IOC_SETFSLABEL, STR(2)),
	CMD(FIBMAP, INOUT(2, 4)),
	CMD(FIGETBSZ, OUT(2, 4)),
	CMD(FIFREEZE, NONE),
	CMD(FITHAW, NONE),
	CMD(FITRIM, INOUT(2, 24)),
	CMD(FICLONE, NONE),
	CMD(FICLONERANGE, IN(2, 32)),
	CMD(FIDEDUPERANGE, FN(sys_ioctl_dedupe, SYS_WRITES)),
	CMD(FS_IOC_FIEMAP, FN(sys_ioctl_fiemap, SYS_WRITES)),
	NEW(0xc0606610, PAGEMAP_SCAN, FN(sys_ioctl_pagemap, SYS_WRITES)), /* 6.7 */
	NEW(0xc0686611, PROCMAP_QUERY, FN(sys_ioctl_procmap, SYS_WRITES)), /* 6.11 */
	/* fscrypt and fsverity: directions that are the wrong way round, and flexible ends <linux/fscrypt.h>, <linux/fsverity.h> */
	CMD(FS_IOC_SET_ENCRYPTION_POLICY, IN(2, 24)),
	CMD(FS_IOC_GET_ENCRYPTION_PWSALT, OUT(2, 16)),
	CMD(FS_IOC_GET_ENCRYPTION_POLICY, OUT(2, 12)),
	CMD(FS_IOC_GET_ENCRYPTION_POLICY_EX, FN(sys_ioctl_policy, SYS_WRITES)),
	CMD(FS_IOC_ADD_ENCRYPTION_KEY, IN_UNKNOWN, OUT(2, sizeof(struct fscrypt_add_key_arg))),
	CMD(FS_IOC_ENABLE_VERITY, IN_UNKNOWN),
	CMD(FS_IOC_MEASURE_VERITY, FN(sys_ioctl_digest, SYS_WRITES)),
	CMD(FS_IOC_READ_VERITY_METADATA, FN(sys_ioctl_verity, SYS_WRITES)),
	/* btrfs, as far as it is flat <linux/btrfs.h> */
	CMD(BTRFS_IOC_SNAP_CREATE_V2, IN_UNKNOWN, OUT(2, 8)),
	CMD(BTRFS_IOC_SUBVOL_CREATE, IN(2, 4096)),
	CMD(BTRFS_IOC_SNAP_DESTROY, IN(2, 4096)),
	CMD(BTRFS_IOC_SYNC, NONE),
	CMD(BTRFS_IOC_SUBVOL_GETFLAGS, OUT(2, 8)),
	CMD(BTRFS_IOC_SUBVOL_SETFLAGS, IN(2, 8)),
	CMD(BTRFS_IOC_FS_INFO, INOUT(2, 1024)),
	CMD(BTRFS_IOC_DEV_INFO, INOUT(2, 4096)),
	CMD(BTRFS_IOC_INO_LOOKUP, INOUT(2, 4096)),
	CMD(BTRFS_IOC_TREE_SEARCH, INOUT(2, 4096)),
	CMD(BTRFS_IOC_GET_SUBVOL_INFO, OUT(2, sizeof(struct btrfs_ioctl_get_subvol_info_args))),

	/* Namespaces <linux/nsfs.h>, ioctl_ns(2) */
	CMD(NS_GET_USERNS, NONE),
	CMD(NS_GET_PARENT, NONE),
	CMD(NS_GET_NSTYPE, NONE),
	CMD(NS_GET_OWNER_UID, OUT(2, 4)),
	NEW(0x8008b705, NS_GET_MNTNS_ID, OUT(2, 8)),	  /* 6.11 */
	NEW(0x8004b706, NS_GET_PID_FROM_PIDNS, NONE),	  /* 6.11, by value */
	NEW(0x8004b707, NS_GET_TGID_FROM_PIDNS, NONE),	  /* 6.11 */
	NEW(0x8004b708, NS_GET_PID_IN_PIDNS, NONE),	  /* 6.11 */
	NEW(0x8004b709, NS_GET_TGID_IN_PIDNS, NONE),	  /* 6.11 */
	NEW(0x8010b70a, NS_MNT_GET_INFO, OUT(2, 16)),	  /* 6.12 */
	NEW(0x8010b70b, NS_MNT_GET_NEXT, OUT(2, 16)),	  /* 6.12 */
	NEW(0x8010b70c, NS_MNT_GET_PREV, OUT(2, 16)),	  /* 6.12 */
	NEW(0x8008b70d, NS_GET_ID, OUT(2, 8)),		  /* 6.18 */

	/* Sockets <linux/sockios.h>, netdevice(7), socket(7); ranges of others are in ioctl.c */
	CMD(FIOSETOWN, IN(2, 4)),
	CMD(SIOCSPGRP, IN(2, 4)),
	CMD(FIOGETOWN, OUT(2, 4)),
	CMD(SIOCGPGRP, OUT(2, 4)),
	CMD(SIOCATMARK, OUT(2, 4)),
	NEW(0x8906, SIOCGSTAMP_OLD, OUT(2, TIMEVAL_LEN)),
	NEW(0x8907, SIOCGSTAMPNS_OLD, OUT(2, TIMEVAL_LEN)),
	CMD(SIOCADDRT, IN(2, RTENTRY_LEN)),
	CMD(SIOCDELRT, IN(2, RTENTRY_LEN)),
	CMD(SIOCGIFCONF, FN(sys_ioctl_ifconf, SYS_WRITES)),
	CMD(SIOCETHTOOL, UNDESCRIBED), /* a pointer to a struct by command */
	CMD(SIOCWANDEV, UNDESCRIBED),
	CMD(SIOCGMIIPHY, INOUT(2, IFREQ_LEN)),
	CMD(SIOCGMIIREG, INOUT(2, IFREQ_LEN)),
	CMD(SIOCSMIIREG, INOUT(2, IFREQ_LEN)),
	CMD(SIOCOUTQNSD, OUT(2, 4)),
	CMD(SIOCDARP, IN(2, ARPREQ_LEN)),
	CMD(SIOCGARP, INOUT(2, ARPREQ_LEN)),
	CMD(SIOCSARP, IN(2, ARPREQ_LEN)),
	NEW(0x89e0, SIOCUNIXFILE, NONE),
	/* tun: the struct is an ifreq, and comes back, whatever the number says <linux/if_tun.h> */
	CMD(TUNSETIFF, INOUT(2, IFREQ_LEN)),
	CMD(TUNGETIFF, OUT(2, IFREQ_LEN)),
	CMD(TUNSETPERSIST, NONE),
	CMD(TUNSETOWNER, NONE),
	CMD(TUNSETGROUP, NONE),
	CMD(TUNSETLINK, NONE),
	CMD(TUNSETOFFLOAD, NONE),
	CMD(TUNSETNOCSUM, NONE),
	CMD(TUNSETDEBUG, NONE),
	CMD(TUNATTACHFILTER, { .kind = RULE_FN, .arg = 2, .dir = SYS_READS, .fn = sys_fn_fprog }),
	CMD(TUNDETACHFILTER, NONE),
	CMD(TUNGETFILTER, OUT(2, FPROG_LEN)),

	/* Block devices <linux/fs.h>; sizes as the kernel moves them, not as the number says (block/ioctl.c, 6.18) */
	CMD(BLKROSET, IN(2, 4)),
	CMD(BLKROGET, OUT(2, 4)),
	CMD(BLKRRPART, NONE),
	CMD(BLKGETSIZE, OUT(2, 8)),
	CMD(BLKFLSBUF, NONE),
	CMD(BLKRASET, NONE),
	CMD(BLKRAGET, OUT(2, 8)),
	CMD(BLKFRASET, NONE),
	CMD(BLKFRAGET, OUT(2, 8)),
	CMD(BLKSECTGET, OUT(2, 2)),
	CMD(BLKSSZGET, OUT(2, 4)),
	CMD(BLKBSZGET, OUT(2, 4)),
	CMD(BLKBSZSET, IN(2, 4)),
	CMD(BLKGETSIZE64, OUT(2, 8)),
	CMD(BLKTRACESETUP, INOUT(2, sizeof(struct blk_user_trace_setup))),
	CMD(BLKTRACESTART, NONE),
	CMD(BLKTRACESTOP, NONE),
	CMD(BLKTRACETEARDOWN, NONE),
	CMD(BLKDISCARD, IN(2, 16)),
	CMD(BLKSECDISCARD, IN(2, 16)),
	CMD(BLKZEROOUT, IN(2, 16)),
	CMD(BLKIOMIN, OUT(2, 4)),
	CMD(BLKIOOPT, OUT(2, 4)),
	CMD(BLKALIGNOFF, OUT(2, 4)),
	CMD(BLKPBSZGET, OUT(2, 4)),
	CMD(BLKDISCARDZEROES, OUT(2, 4)),
	CMD(BLKROTATIONAL, OUT(2, 2)),
	CMD(BLKPG, IN_UNKNOWN),
	CMD(BLKREPORTZONE, UNDESCRIBED), /* as many zones as fit */
	CMD(BLKGETZONESZ, OUT(2, 4)),
	CMD(BLKGETNRZONES, OUT(2, 4)),
	CMD(HDIO_GETGEO, OUT(2, 16)),

	/* Loop devices <linux/loop.h>, loop(4) */
	CMD(LOOP_SET_FD, NONE),
	CMD(LOOP_CLR_FD, NONE),
	CMD(LOOP_SET_STATUS, IN(2, sizeof(struct loop_info))),
	CMD(LOOP_GET_STATUS, OUT(2, sizeof(struct loop_info))),
	CMD(LOOP_SET_STATUS64, IN(2, sizeof(struct loop_info64))),
	CMD(LOOP_GET_STATUS64, OUT(2, sizeof(struct loop_info64))),
	CMD(LOOP_CHANGE_FD, NONE),
	CMD(LOOP_SET_CAPACITY, NONE),
	CMD(LOOP_SET_DIRECT_IO, NONE),
	CMD(LOOP_SET_BLOCK_SIZE, NONE),
	CMD(LOOP_CONFIGURE, IN(2, sizeof(struct loop_config))),
	CMD(LOOP_CTL_ADD, NONE),
	CMD(LOOP_CTL_REMOVE, NONE),
	CMD(LOOP_CTL_GET_FREE, NONE),

	/* Random numbers <linux/random.h>: the buffer follows its length */
	CMD(RNDADDENTROPY, IN_UNKNOWN),
	CMD(RNDGETPOOL, UNDESCRIBED),
	CMD(RNDZAPENTCNT, NONE),
	CMD(RNDCLEARPOOL, NONE),
	CMD(RNDRESEEDCRNG, NONE),

	/* Input devices <linux/input.h>; the rest keeps to its number */
	CMD(EVIOCGRAB, NONE),
	CMD(EVIOCREVOKE, NONE),
	CMD(EVIOCGMASK, FN(sys_ioctl_evmask, SYS_WRITES)),
	CMD(EVIOCSMASK, FN(sys_ioctl_evmask, SYS_READS)),

	{ .name = NULL },
};
/* clang-format on */
