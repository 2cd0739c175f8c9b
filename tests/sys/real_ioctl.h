/* SPDX-License-Identifier: MIT */
/* real_ioctl.h: cases that are carried out: ioctls of files, terminals (a pty), sockets, namespaces, /proc. */
#ifndef BPREC_TESTS_SYS_REAL_IOCTL_H
#define BPREC_TESTS_SYS_REAL_IOCTL_H

#include "harness.h"

#include <asm/ioctls.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/nsfs.h>
#include <linux/random.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* The descriptors that ioctls are tried on. */
static int a_disk_file(struct t *t)
{
	char path[] = "/tmp/sys-ioctl-XXXXXX";
	int fd = fd_of(t, mkstemp(path));

	unlink(path);
	assert_int_equal(pwrite(fd, "hello, world", 12, 0), 12);
	fsync(fd);
	return fd;
}

static int a_pipe(struct t *t)
{
	int p[2];

	assert_int_equal(pipe(p), 0);
	fd_of(t, p[0]);
	fd_of(t, p[1]);
	assert_int_equal(write(p[1], "x", 1), 1);
	return p[0];
}

/* The master of a pty, or -1. */
static int a_master(struct t *t)
{
	int fd = open("/dev/ptmx", O_RDWR | O_NOCTTY);

	if (fd < 0) {
		leave_out(t, "no /dev/ptmx");
		return -1;
	}
	fd_of(t, fd);
	assert_int_equal(ioctl(fd, TIOCSPTLCK, &(int){ 0 }), 0);
	return fd;
}

static int a_tty(struct t *t)
{
	int m = a_master(t);

	return m < 0 ? -1 : fd_of(t, ioctl(m, TIOCGPTPEER, O_RDWR | O_NOCTTY));
}

static int a_socket(struct t *t)
{
	return fd_of(t, socket(AF_INET, SOCK_DGRAM, 0));
}

static int a_namespace(struct t *t)
{
	return fd_of(t, open("/proc/self/ns/user", O_RDONLY));
}

static int a_mount_namespace(struct t *t)
{
	return fd_of(t, open("/proc/self/ns/mnt", O_RDONLY));
}

/* An ioctl that writes n bytes. */
static void ioctl_case(struct t *t, int fd, uint64_t cmd, size_t n)
{
	if (fd < 0)
		return;
	t->varies = true;
	DO(SYS_ioctl, (uint64_t)fd, cmd, out(t, n));
	if (t->ret == -ENOTTY || t->ret == -EINVAL || t->ret == -EOPNOTSUPP || t->ret == -EIO)
		leave_out(t, "this descriptor doesn't have it");
	else if (went_well(t))
		expect(t, U(t->buf[t->nbufs - 1].p), n);
}

#define IOCTL_CASE(name, fd, cmd, n)                      \
	static void real_io_##name(struct t *t)           \
	{                                                 \
		ioctl_case(t, fd(t), (uint32_t)(cmd), n); \
	}

IOCTL_CASE(fionread, a_pipe, FIONREAD, 4)
IOCTL_CASE(fioqsize, a_disk_file, FIOQSIZE, 8)
IOCTL_CASE(tcgets, a_tty, TCGETS, 36)
IOCTL_CASE(tcgeta, a_tty, TCGETA, 18)
IOCTL_CASE(tcgets2, a_tty, 0x802c542a, 44)
IOCTL_CASE(outq, a_tty, TIOCOUTQ, 4)
IOCTL_CASE(winsz, a_tty, TIOCGWINSZ, 8)
IOCTL_CASE(getd, a_tty, TIOCGETD, 4)
IOCTL_CASE(softcar, a_tty, TIOCGSOFTCAR, 4)
IOCTL_CASE(lck, a_tty, TIOCGLCKTRMIOS, 36)
IOCTL_CASE(ptn, a_master, TIOCGPTN, 4)
IOCTL_CASE(ptlck, a_master, TIOCGPTLCK, 4)
IOCTL_CASE(gpkt, a_master, TIOCGPKT, 4)
IOCTL_CASE(excl, a_tty, TIOCGEXCL, 4)
IOCTL_CASE(getflags, a_disk_file, FS_IOC_GETFLAGS, 4)
IOCTL_CASE(getversion, a_disk_file, FS_IOC_GETVERSION, 4)
IOCTL_CASE(fsgetxattr, a_disk_file, FS_IOC_FSGETXATTR, 28)
IOCTL_CASE(getfslabel, a_disk_file, FS_IOC_GETFSLABEL, 256)
IOCTL_CASE(figetbsz, a_disk_file, FIGETBSZ, 4)
IOCTL_CASE(owner_uid, a_namespace, NS_GET_OWNER_UID, 4)
IOCTL_CASE(mntns_id, a_mount_namespace, 0x8008b705, 8)
IOCTL_CASE(fiogetown, a_socket, FIOGETOWN, 4)
IOCTL_CASE(siocgpgrp, a_socket, SIOCGPGRP, 4)
IOCTL_CASE(outqnsd, a_socket, SIOCOUTQ, 4)

/* A struct that is read and written. */
static void inout_case(struct t *t, int fd, uint64_t cmd, const void *arg, size_t n)
{
	t->varies = true;
	DO(SYS_ioctl, (uint64_t)fd, cmd, in(t, arg, n));
	if (t->ret == -ENOTTY || t->ret == -EINVAL || t->ret == -EOPNOTSUPP || t->ret == -EPERM)
		leave_out(t, "this descriptor doesn't have it");
	else
		went_well(t);
}

static void real_io_fibmap(struct t *t)
{
	inout_case(t, a_disk_file(t), FIBMAP, &(int){ 0 }, 4);
}

static void real_io_mnt_info(struct t *t)
{
	uint64_t info[2] = { 16 };

	inout_case(t, a_mount_namespace(t), 0x8010b70a, info, sizeof(info));
}

static void real_io_random(struct t *t)
{
	ioctl_case(t, fd_of(t, open("/dev/random", O_RDONLY)), RNDGETENTCNT, 4);
}

static void real_io_ifreq(struct t *t)
{
	struct ifreq r = { .ifr_name = "lo" };

	inout_case(t, a_socket(t), SIOCGIFFLAGS, &r, 40);
}

static void real_io_ifname(struct t *t)
{
	struct ifreq r = { .ifr_ifindex = 1 };

	inout_case(t, a_socket(t), SIOCGIFNAME, &r, 40);
}

static void real_io_ifconf(struct t *t)
{
	struct ifconf c = { .ifc_len = 120 };

	c.ifc_buf = (char *)(uintptr_t)out(t, 120);
	inout_case(t, a_socket(t), SIOCGIFCONF, &c, sizeof(c));
}

/* How much room is needed. */
static void real_io_ifconf_null(struct t *t)
{
	struct ifconf c = { .ifc_len = 0 };

	inout_case(t, a_socket(t), SIOCGIFCONF, &c, sizeof(c));
}

static void real_io_fiemap(struct t *t)
{
	union {
		struct fiemap head;
		uint8_t room[sizeof(struct fiemap) + 3 * sizeof(struct fiemap_extent)];
	} m = { .head = { .fm_length = ~0ull, .fm_extent_count = 3 } };

	inout_case(t, a_disk_file(t), FS_IOC_FIEMAP, &m, sizeof(m));
}

static void real_io_dedupe(struct t *t)
{
	union {
		struct file_dedupe_range head;
		uint8_t room[sizeof(struct file_dedupe_range) +
			     2 * sizeof(struct file_dedupe_range_info)];
	} d = { .head = { .src_length = 4, .dest_count = 2 } };

	for (int i = 0; i < 2; i++)
		d.head.info[i].dest_fd = a_disk_file(t);
	inout_case(t, a_disk_file(t), FIDEDUPERANGE, &d, sizeof(d));
}

static void real_io_pagemap(struct t *t)
{
	uint8_t *p =
		mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t a[12] = { 96, 0, U(p), U(p) + 4 * PAGE, 0, 0, 5, 0, 0, 8 /* present */, 0, 8 };

	p[PAGE] = 1;
	a[5] = out(t, 5 * 24);
	inout_case(t, fd_of(t, open("/proc/self/pagemap", O_RDONLY)), 0xc0606610, a, sizeof(a));
	if (!t->absent)
		assert_int_equal(t->ret, 1);
	munmap(p, 4 * PAGE);
}

static void real_io_procmap(struct t *t)
{
	uint64_t a[13] = { 104, 0, U(real_io_procmap) };

	a[10] = 200 | (uint64_t)20 << 32; /* name and build id */
	a[11] = out(t, 200);
	a[12] = out(t, 20);
	inout_case(t, fd_of(t, open("/proc/self/maps", O_RDONLY)), 0xc0686611, a, sizeof(a));
}

static const struct sys_test real_ioctl[] = {
	{ "ioctl:FIONREAD", real_io_fionread, NULL },
	{ "ioctl:FIOQSIZE", real_io_fioqsize, NULL },
	{ "ioctl:TCGETS", real_io_tcgets, NULL },
	{ "ioctl:TCGETA", real_io_tcgeta, NULL },
	{ "ioctl:TCGETS2", real_io_tcgets2, NULL },
	{ "ioctl:TIOCOUTQ", real_io_outq, NULL },
	{ "ioctl:TIOCGWINSZ", real_io_winsz, NULL },
	{ "ioctl:TIOCGETD", real_io_getd, NULL },
	{ "ioctl:TIOCGSOFTCAR", real_io_softcar, NULL },
	{ "ioctl:TIOCGLCKTRMIOS", real_io_lck, NULL },
	{ "ioctl:TIOCGPTN", real_io_ptn, NULL },
	{ "ioctl:TIOCGPTLCK", real_io_ptlck, NULL },
	{ "ioctl:TIOCGPKT", real_io_gpkt, NULL },
	{ "ioctl:TIOCGEXCL", real_io_excl, NULL },
	{ "ioctl:FS_IOC_GETFLAGS", real_io_getflags, NULL },
	{ "ioctl:FS_IOC_GETVERSION", real_io_getversion, NULL },
	{ "ioctl:FS_IOC_FSGETXATTR", real_io_fsgetxattr, NULL },
	{ "ioctl:FS_IOC_GETFSLABEL", real_io_getfslabel, NULL },
	{ "ioctl:FIGETBSZ", real_io_figetbsz, NULL },
	{ "ioctl:FIBMAP", real_io_fibmap, NULL },
	{ "ioctl:NS_GET_OWNER_UID", real_io_owner_uid, NULL },
	{ "ioctl:NS_GET_MNTNS_ID", real_io_mntns_id, NULL },
	{ "ioctl:NS_MNT_GET_INFO", real_io_mnt_info, NULL },
	{ "ioctl:FIOGETOWN", real_io_fiogetown, NULL },
	{ "ioctl:SIOCGPGRP", real_io_siocgpgrp, NULL },
	{ "ioctl:TIOCOUTQ", real_io_outqnsd, NULL },
	{ "ioctl:SIOCGIFCONF", real_io_ifconf, NULL },
	{ "ioctl:SIOCGIFCONF", real_io_ifconf_null, NULL },
	{ "ioctl:FS_IOC_FIEMAP", real_io_fiemap, NULL },
	{ "ioctl:FIDEDUPERANGE", real_io_dedupe, NULL },
	{ "ioctl:PAGEMAP_SCAN", real_io_pagemap, NULL },
	{ "ioctl:PROCMAP_QUERY", real_io_procmap, NULL },
	/* What has no row: by its number, and by its range. */
	{ "ioctl", real_io_random, NULL },
	{ "ioctl", real_io_ifreq, NULL },
	{ "ioctl", real_io_ifname, NULL },
	{ NULL, NULL, NULL },
};

#endif
