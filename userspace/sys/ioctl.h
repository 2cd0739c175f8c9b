/* SPDX-License-Identifier: MIT */
/* ioctl.h: rules of ioctls whose structs hold pointers or flexible ends (ioctl_nested.c). Private to sys/. */
#ifndef BPREC_SYS_IOCTL_H
#define BPREC_SYS_IOCTL_H

#include "sys/run.h"

/** struct file_dedupe_range and its targets. */
int sys_ioctl_dedupe(struct run *r, const struct sys_rule *rule);
/** struct input_mask: codes_size bytes at codes_ptr. */
int sys_ioctl_evmask(struct run *r, const struct sys_rule *rule);
/** struct fiemap and the extents behind it. */
int sys_ioctl_fiemap(struct run *r, const struct sys_rule *rule);
/** struct ifconf: ifc_len bytes at ifc_buf. */
int sys_ioctl_ifconf(struct run *r, const struct sys_rule *rule);
/** struct pm_scan_arg: regions by the result at vec. */
int sys_ioctl_pagemap(struct run *r, const struct sys_rule *rule);
/** struct procmap_query: name and build id. */
int sys_ioctl_procmap(struct run *r, const struct sys_rule *rule);
/** struct fscrypt_get_policy_ex_arg: policy_size bytes. */
int sys_ioctl_policy(struct run *r, const struct sys_rule *rule);
/** struct fsverity_digest: digest_size bytes. */
int sys_ioctl_digest(struct run *r, const struct sys_rule *rule);
/** struct fsverity_read_metadata_arg: by the result at buf_ptr. */
int sys_ioctl_verity(struct run *r, const struct sys_rule *rule);

#endif
