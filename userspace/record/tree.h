/* SPDX-License-Identifier: MIT */
/* tree.h: threads and processes come and go. */
#ifndef BPREC_RECORD_TREE_H
#define BPREC_RECORD_TREE_H

#include "record/recorder.h"

/** PTRACE_EVENT_FORK, VFORK or CLONE of a thread: writes EV_PROCESS for its child, and lets both go on. 0 or -errno. */
int tree__clone(struct recorder *r, struct task *t, int event);
/** A child's first stop, after its EV_PROCESS: readies it. 0 or -errno. */
int tree__started(struct recorder *r, struct task *t);
/** Takes in children whose parents' events will never come. 0 or -errno. */
int tree__tick(struct recorder *r, uint64_t now);
/** Makes the root known. 0 or -errno. */
int tree__root(struct recorder *r, pid_t pid);
/** PTRACE_EVENT_EXIT: the thread is about to end. 0 or -errno. */
int tree__exiting(struct recorder *r, struct task *t);
/** waitpid says that the thread is gone. 0 or -errno. */
int tree__gone(struct recorder *r, pid_t tid, int status);
/** Kills what is left of the tree. */
void tree__kill(struct recorder *r);

#endif
