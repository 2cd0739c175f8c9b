/* SPDX-License-Identifier: MIT */
/* fns.h: rules that need a function (fns.c). Each treats one call; private to sys/. */
#ifndef BPREC_SYS_FNS_H
#define BPREC_SYS_FNS_H

#include "sys/run.h"

/** clone: parent_tid, child_tid and pidfd by flags. */
int sys_fn_clone(struct run *r, const struct sys_rule *rule);
/** clone3: the struct that args[0] points to, and what it points to. */
int sys_fn_clone3(struct run *r, const struct sys_rule *rule);
/** capget: one or two elements by the version in the header. */
int sys_fn_capdata(struct run *r, const struct sys_rule *rule);
/** clock_nanosleep: the rest, unless TIMER_ABSTIME. */
int sys_fn_clock_rest(struct run *r, const struct sys_rule *rule);
/** futex: by operation. */
int sys_fn_futex(struct run *r, const struct sys_rule *rule);
/** futex_waitv: the words of all waiters. */
int sys_fn_futex_waitv(struct run *r, const struct sys_rule *rule);
/** futex_requeue: both words. */
int sys_fn_futex_requeue(struct run *r, const struct sys_rule *rule);
/** getsockopt: value-result length. */
int sys_fn_getsockopt(struct run *r, const struct sys_rule *rule);
/** setsockopt: options with pointers in them. */
int sys_fn_setsockopt(struct run *r, const struct sys_rule *rule);
/** recvfrom: data, address and its length. */
int sys_fn_recvfrom(struct run *r, const struct sys_rule *rule);
/** lsm_list_modules: ids by the result. */
int sys_fn_lsm_list(struct run *r, const struct sys_rule *rule);
/** mincore: one byte per page. */
int sys_fn_mincore(struct run *r, const struct sys_rule *rule);
/** struct mnt_id_req of statmount and listmount. */
int sys_fn_mnt_id_req(struct run *r, const struct sys_rule *rule);
/** What statmount writes. */
int sys_fn_statmount(struct run *r, const struct sys_rule *rule);
/** mq_notify: sigevent, and the cookie of SIGEV_THREAD. */
int sys_fn_mq_notify(struct run *r, const struct sys_rule *rule);
/** name_to_handle_at: the length is in the handle. */
int sys_fn_name_handle(struct run *r, const struct sys_rule *rule);
/** open_by_handle_at: likewise. */
int sys_fn_open_handle(struct run *r, const struct sys_rule *rule);
/** get_mempolicy: the mask of memory nodes that it writes. */
int sys_fn_nodemask_get(struct run *r, const struct sys_rule *rule);
/** set_mempolicy: its mask. */
int sys_fn_nodemask_set(struct run *r, const struct sys_rule *rule);
/** mbind: its mask. */
int sys_fn_nodemask_mbind(struct run *r, const struct sys_rule *rule);
/** migrate_pages: both masks. */
int sys_fn_nodemask_migrate(struct run *r, const struct sys_rule *rule);
/** The pointer and length of a signal mask that pselect6's and io_pgetevents' last argument points to. */
int sys_fn_pselect_mask(struct run *r, const struct sys_rule *rule);
/** quotactl, quotactl_fd: by command. */
int sys_fn_quotactl(struct run *r, const struct sys_rule *rule);
/** sched_setattr: a struct that begins with its size. */
int sys_fn_sched_attr(struct run *r, const struct sys_rule *rule);
/** setxattrat, getxattrat: struct xattr_args at args[4]. */
int sys_fn_xattr_args(struct run *r, const struct sys_rule *rule);
/** struct sock_fprog, and the program it points to (seccomp, prctl, setsockopt). arg: rule->arg. */
int sys_fn_fprog(struct run *r, const struct sys_rule *rule);
/** keyctl's key operations (KEYCTL_PKEY_ENCRYPT ...): lengths in a struct at args[1]. */
int sys_fn_key_crypt(struct run *r, const struct sys_rule *rule);
/** KEYCTL_PKEY_VERIFY: it reads both buffers. */
int sys_fn_key_verify(struct run *r, const struct sys_rule *rule);

/** prctl(PR_SET_MM): by its second command. */
int sys_fn_prctl_mm(struct run *r, const struct sys_rule *rule);
/** prctl(PR_SCHED_CORE): the cookie that GET writes. */
int sys_fn_prctl_core(struct run *r, const struct sys_rule *rule);
/** At most rule->size bytes at args[rule->arg], cut at memory that can't be read. */
int sys_fn_clipped(struct run *r, const struct sys_rule *rule);

#endif
