// SPDX-License-Identifier: MIT
/*
 * ioctl.c: ioctls by number.
 *
 * The number itself says most (_IOC_DIR, _IOC_SIZE, include/uapi/asm-generic/ioctl.h), so a number with a direction is
 * described by it, unless (a) it has a row below, because it is older than that convention or doesn't keep it, or (b) its
 * type belongs to a device whose structs hold pointers, or whose driver writes the program's memory by itself. What has
 * neither a row nor a direction isn't described: -EOPNOTSUPP.
 * Sources: include/uapi of 6.1 to 6.18, ioctl_tty(2), ioctl_fat(2), ioctl_ns(2), rtc(4), random(4), netdevice(7).
 */
#include "sys/fns.h"

#include <asm/ioctl.h>
#include <errno.h>

#define IFREQ_LEN 40u /* struct ifreq */

/* Types whose numbers alone don't tell: structs with pointers, flexible arrays, or memory shared with a device. */
static bool ioctl_type_opaque(uint32_t type)
{
	switch (type) {
	case 'A':  /* ALSA mixers, */
	case 'U':  /* usbfs (URBs), sound control, */
	case 'H':  /* HID raw, sound hwdep, */
	case 'V':  /* video4linux, virtual terminals, */
	case 'd':  /* DRM, */
	case 'M':  /* MTD, megaraid, */
	case 'N':  /* NVMe, */
	case 'X':  /* XFS, */
	case 'b':  /* binder, */
	case 'c':  /* cluster, firewire, */
	case 'i':  /* infiniband (0x1b too), i8k, */
	case 'k':  /* SPI, */
	case 'o':  /* UBI, */
	case ';':  /* VFIO, iommufd, */
	case '$':  /* perf, */
	case '%':  /* coresight, */
	case '#':  /* firewire, */
	case 0x1b: /* infiniband, */
	case 0x22: /* SCSI generic, */
	case 0x53: /* SCSI, cdrom, */
	case 0x94: /* btrfs, */
	case 0xaa: /* userfaultfd, */
	case 0xab: /* nbd, */
	case 0xae: /* KVM, */
	case 0xaf: /* vhost, */
	case 0xb6: /* GPU compute, */
	case 0xb7: /* nsfs, */
	case 0xcd: /* cxl, */
	case 0xee: /* and others */
	case 0xfd: /* device mapper */
		return true;
	default:
		return false;
	}
}

/* struct ifreq there and back: all numbers between SIOCGIFNAME and SIOCDELDLCI that have no row (netdevice(7)). Those that
 * set something write nothing back, and are only described as if they did. */
static bool ioctl_ifreq(uint32_t cmd)
{
	return cmd >= 0x8910 && cmd <= 0x8981 && !(cmd >= 0x8950 && cmd <= 0x896f);
}

/* What the number says of itself. */
static int ioctl_generic(struct run *r, uint32_t cmd)
{
	uint32_t dir = 0;

	if (ioctl_ifreq(cmd))
		return run__due(r, WHEN_OK) ? run__mem(r, 2, IFREQ_LEN, SYS_READS | SYS_WRITES,
						       SPAN_WEAK | SPAN_CLIP)
					    : 0;
	if (_IOC_DIR(cmd) == _IOC_NONE || ioctl_type_opaque(_IOC_TYPE(cmd)))
		return -EOPNOTSUPP;
	if (_IOC_DIR(cmd) & _IOC_WRITE)
		dir |= SYS_READS;
	if (_IOC_DIR(cmd) & _IOC_READ)
		dir |= SYS_WRITES;
	if (dir & SYS_WRITES && !run__due(r, WHEN_OK))
		return 0;
	return run__mem(r, 2, _IOC_SIZE(cmd), dir, SPAN_WEAK | SPAN_CLIP);
}

/* The descriptor's file knows no such command: nothing was written. */
static bool ioctl_was_unknown(const struct run *r)
{
	return r->mode == RUN_OUT && (r->in->ret == -ENOTTY || r->in->ret == -EBADF);
}

int run__ioctl(struct run *r, const struct sys_rule *rule)
{
	uint32_t cmd = (uint32_t)r->in->args[1];
	const struct sys_case *c = sys_case_find(sys_ioctl_cases, cmd);

	(void)rule;
	if (ioctl_was_unknown(r))
		return 0;
	return c ? run__rules(r, c->rules) : ioctl_generic(r, cmd);
}
