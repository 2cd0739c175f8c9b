/* SPDX-License-Identifier: MIT */
/*
 * fskind.c: file systems by their magic numbers, those of <linux/magic.h> by name, the others as their sources have them.
 *
 * What is in none of the lists is unknown, not local: file systems of clusters (Lustre, GPFS, BeeGFS ...) and those that show
 * files of another one (eCryptfs, aufs) are mostly not part of Linux, and there will be new ones.
 */
#include "record/fskind.h"

#include <linux/magic.h>
#include <stdbool.h>
#include <stddef.h>

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

/* Contents are on this machine, and change by calls and stores alone. */
static const uint32_t local[] = {
	/* disks */
	EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC, F2FS_SUPER_MAGIC, NILFS_SUPER_MAGIC,
	REISERFS_SUPER_MAGIC, MSDOS_SUPER_MAGIC, EXFAT_SUPER_MAGIC, ISOFS_SUPER_MAGIC,
	UDF_SUPER_MAGIC, SQUASHFS_MAGIC, EROFS_SUPER_MAGIC_V1, CRAMFS_MAGIC, MINIX_SUPER_MAGIC,
	MINIX_SUPER_MAGIC2, MINIX2_SUPER_MAGIC, MINIX2_SUPER_MAGIC2, MINIX3_SUPER_MAGIC,
	HPFS_SUPER_MAGIC, AFFS_SUPER_MAGIC, ADFS_SUPER_MAGIC, EFS_SUPER_MAGIC, QNX4_SUPER_MAGIC,
	QNX6_SUPER_MAGIC, JFFS2_SUPER_MAGIC, ZONEFS_MAGIC, OVERLAYFS_SUPER_MAGIC,
	0x7366746e, /* NTFS3 */
	0x5346544e, /* NTFS */
	0x3153464a, /* JFS */
	0x4244,	    /* HFS */
	0x482b,	    /* HFS+ */
	0x7275,	    /* ROMFS */
	0x00011954, /* UFS */
	0x24051905, /* UBIFS */
	0xca451a4e, /* bcachefs */
	0x2fc12fc1, /* ZFS */
	/* memory, and what the kernel shows of itself */
	TMPFS_MAGIC, RAMFS_MAGIC, HUGETLBFS_MAGIC, PROC_SUPER_MAGIC, SYSFS_MAGIC, DEBUGFS_MAGIC,
	TRACEFS_MAGIC, SECURITYFS_MAGIC, SELINUX_MAGIC, SMACK_MAGIC, CGROUP_SUPER_MAGIC,
	CGROUP2_SUPER_MAGIC, BPF_FS_MAGIC, DEVPTS_SUPER_MAGIC, ANON_INODE_FS_MAGIC, SOCKFS_MAGIC,
	PIPEFS_MAGIC, NSFS_MAGIC, PSTOREFS_MAGIC, EFIVARFS_MAGIC, BINFMTFS_MAGIC,
	RDTGROUP_SUPER_MAGIC, BINDERFS_SUPER_MAGIC, DMA_BUF_MAGIC, SECRETMEM_MAGIC,
	0xa10a10a1, /* rings of io_setup */
	0x62646576, /* block devices */
	0x62656570, /* configfs */
	0x19800202, /* message queues */
	0x50494446, /* pidfs */
	0x474d454d, /* memory of KVM guests */
	0x64646178, /* DAX devices */
};

/* Contents come from a program or another machine. */
static const uint32_t served[] = {
	FUSE_SUPER_MAGIC, V9FS_MAGIC, NFS_SUPER_MAGIC, SMB_SUPER_MAGIC, CIFS_SUPER_MAGIC,
	SMB2_SUPER_MAGIC, CODA_SUPER_MAGIC, AFS_SUPER_MAGIC, AFS_FS_MAGIC, CEPH_SUPER_MAGIC,
	/* not in <linux/magic.h> */
	0x7461636f, /* OCFS2 */
	0x01161970, /* GFS2 */
	0x0bd00bd0, /* Lustre */
	0x47504653, /* GPFS */
	0x19830326, /* BeeGFS */
	0x20030528, /* OrangeFS */
	0x786f4256, /* VirtualBox shared folders */
	0xbacbacbc, /* VMware shared folders */
};

static bool is_in(const uint32_t *list, size_t n, uint64_t magic)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == magic)
			return true;
	return false;
}

enum fskind fskind__of(uint64_t magic)
{
	if (!magic || is_in(local, COUNT(local), magic))
		return FSKIND_LOCAL;
	return is_in(served, COUNT(served), magic) ? FSKIND_SERVED : FSKIND_UNKNOWN;
}
