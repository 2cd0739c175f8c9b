// SPDX-License-Identifier: MIT
/* ioctl_nested.c: rules of ioctls whose structs hold pointers or flexible ends. Layouts are those of include/uapi; structs
 * newer than Debian 12's headers (6.1) are read by offsets. */
#include "sys/ioctl.h"

#include <errno.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/fsverity.h>
#include <linux/input.h>
#include <stddef.h>
#include <string.h>

/* struct pm_scan_arg (linux/fs.h, 6.7) and struct page_region. */
#define SCAN_LEN      96u
#define SCAN_WALK_END 32u
#define SCAN_VEC      40u
#define REGION_LEN    24u
/* struct procmap_query (linux/fs.h, 6.11). */
#define PROCMAP_LEN	     104u
#define PROCMAP_NAME_SIZE    80u
#define PROCMAP_BUILDID_SIZE 84u
#define PROCMAP_NAME	     88u
#define PROCMAP_BUILDID	     96u
/* struct ifconf: an int, then a pointer. */
#define IFCONF_LEN 16u
#define IFCONF_BUF 8u

/* The struct at args[2]: head bytes are read into buf. 0, 1: nothing to report, or -EFAULT. */
static int head_read(struct run *r, void *buf, size_t head)
{
	if (!run__due(r, WHEN_OK) || !r->in->args[2])
		return 1;
	if (!run__read(r, r->in->args[2], buf, head))
		return 0;
	return r->mode == RUN_FAULT ? 1 : -EFAULT;
}

static int done(int err)
{
	return err == 1 ? 0 : err;
}

/* A flat struct with a flexible end: all of it may be written. */
static int flexible(struct run *r, uint64_t len)
{
	return run__mem(r, 2, len, SYS_READS | SYS_WRITES, SPAN_WEAK | SPAN_CLIP);
}

/* The whole struct is a box: its fields come back, the pointers in it don't move. */
static int box(struct run *r, uint64_t len)
{
	return run__mem(r, 2, len, SYS_READS, SPAN_BOX);
}

static int field(struct run *r, uint64_t offset, uint64_t len)
{
	return run__emit(r, (struct span){ .addr = r->in->args[2] + offset,
					   .len = len,
					   .arg = 2,
					   .dir = SYS_WRITES,
					   .flags = SPAN_FIELD });
}

int sys_ioctl_dedupe(struct run *r, const struct sys_rule *rule)
{
	struct file_dedupe_range h;
	int err = head_read(r, &h, sizeof(h));

	(void)rule;
	if (err)
		return done(err);
	return flexible(r,
			sizeof(h) + (uint64_t)h.dest_count * sizeof(struct file_dedupe_range_info));
}

int sys_ioctl_evmask(struct run *r, const struct sys_rule *rule)
{
	struct input_mask m;
	int err = head_read(r, &m, sizeof(m));

	if (err)
		return done(err);
	err = box(r, sizeof(m));
	return err ? err
		   : run__nested(r, 2, r->in->args[2] + offsetof(struct input_mask, codes_ptr),
				 m.codes_ptr, m.codes_size, rule->dir, SPAN_WEAK);
}

int sys_ioctl_fiemap(struct run *r, const struct sys_rule *rule)
{
	struct fiemap h;
	uint64_t n;
	int err = head_read(r, &h, sizeof(h));

	(void)rule;
	if (err)
		return done(err);
	n = h.fm_extent_count;
	if (r->mode == RUN_OUT && h.fm_mapped_extents < n)
		n = h.fm_mapped_extents;
	return flexible(r, sizeof(h) + n * sizeof(struct fiemap_extent));
}

int sys_ioctl_ifconf(struct run *r, const struct sys_rule *rule)
{
	struct {
		int32_t len, pad;
		uint64_t buf;
	} c;
	int err = head_read(r, &c, sizeof(c));

	(void)rule;
	if (err)
		return done(err);
	err = box(r, IFCONF_LEN);
	if (!err)
		err = field(r, 0, sizeof(c.len));
	/* Without a buffer only the length is told. */
	if (!err && c.len > 0)
		err = run__nested(r, 2, r->in->args[2] + IFCONF_BUF, c.buf, (uint64_t)c.len,
				  SYS_WRITES, SPAN_WEAK);
	return err;
}

/* walk_end is written back after an error too, and regions may have been (do_pagemap_scan, fs/proc/task_mmu.c, 6.7). */
int sys_ioctl_pagemap(struct run *r, const struct sys_rule *rule)
{
	uint64_t at = r->in->args[2], v[2], n;
	int err;

	(void)rule;
	if (run__read(r, at + SCAN_VEC, v, sizeof(v)))
		return run__failed(r) ? 0 : -EFAULT;
	n = run__failed(r) ? v[1] : run__by_ret(r, v[1]);
	err = box(r, SCAN_LEN);
	if (!err)
		err = field(r, SCAN_WALK_END, sizeof(uint64_t));
	return err ? err
		   : run__nested(r, 2, at + SCAN_VEC, v[0], n * REGION_LEN, SYS_WRITES,
				 run__failed(r) ? SPAN_CLIP : 0);
}

int sys_ioctl_procmap(struct run *r, const struct sys_rule *rule)
{
	uint8_t arg[PROCMAP_LEN];
	uint32_t size[2];
	uint64_t at[2];
	int err = head_read(r, arg, sizeof(arg));

	(void)rule;
	if (err)
		return done(err);
	memcpy(size, arg + PROCMAP_NAME_SIZE, sizeof(size));
	memcpy(at, arg + PROCMAP_NAME, sizeof(at));
	err = box(r, PROCMAP_LEN);
	/* All but the two pointers; sizes become those of what was written. */
	if (!err)
		err = field(r, 0, PROCMAP_NAME);
	if (!err)
		err = run__nested(r, 2, r->in->args[2] + PROCMAP_NAME, at[0], size[0], SYS_WRITES,
				  SPAN_WEAK | SPAN_CLIP);
	if (!err)
		err = run__nested(r, 2, r->in->args[2] + PROCMAP_BUILDID, at[1], size[1],
				  SYS_WRITES, SPAN_WEAK | SPAN_CLIP);
	return err;
}

int sys_ioctl_policy(struct run *r, const struct sys_rule *rule)
{
	uint64_t size;
	int err = head_read(r, &size, sizeof(size));

	(void)rule;
	return err ? done(err) : flexible(r, sizeof(size) + size);
}

int sys_ioctl_digest(struct run *r, const struct sys_rule *rule)
{
	struct fsverity_digest d;
	int err = head_read(r, &d, sizeof(d));

	(void)rule;
	return err ? done(err) : flexible(r, sizeof(d) + d.digest_size);
}

int sys_ioctl_verity(struct run *r, const struct sys_rule *rule)
{
	struct fsverity_read_metadata_arg a;
	int err = head_read(r, &a, sizeof(a));

	(void)rule;
	if (err)
		return done(err);
	err = box(r, sizeof(a));
	return err ? err
		   : run__nested(r, 2,
				 r->in->args[2] +
					 offsetof(struct fsverity_read_metadata_arg, buf_ptr),
				 a.buf_ptr, run__by_ret(r, a.length), SYS_WRITES, 0);
}
