/* SPDX-License-Identifier: MIT */
/* watch_tree.h: the processes of a tree that is only watched, as the kernel's records tell of them. */
#ifndef BPREC_RECORD_WATCH_TREE_H
#define BPREC_RECORD_WATCH_TREE_H

#include "record/recorder.h"

/** Enters the command's process, which is held before its exec (EV_PROCESS). 0 or -errno. */
int watch_tree__root(struct recorder *r, pid_t pid);
/** Enters a running process and all its descendants, in the kernel too, with what they have mapped. -ESRCH: there is no such
 *  process; else 0 or -errno. */
int watch_tree__attach(struct recorder *r, pid_t pid);
/** Acts on KEV_TREE_FORK, KEV_TREE_EXEC or KEV_TREE_EXIT. 0 or -errno. */
int watch_tree__event(struct recorder *r, const struct kevent *ke);
/** The insider with this pid; one whose fork was lost is entered now. NULL without memory. */
struct task *watch_tree__insider(struct recorder *r, pid_t pid);
/** Ends insiders that were found gone before the ring was drained last, although no record told of it. 0 or -errno. */
int watch_tree__reap(struct recorder *r, uint64_t drained_ns);
/** Status of a process as wait(2) tells it, into kind and code of EV_EXIT. */
void watch_tree__status(int status, uint32_t *ret_kind, int32_t *ret_code);

#endif
