/* SPDX-License-Identifier: MIT */
/* sharing.h: what closes share groups (DESIGN 8): memory that one process writes and another sees. */
#ifndef BPREC_RECORD_SHARING_H
#define BPREC_RECORD_SHARING_H

#include "record/recorder.h"

/** A thread's space maps the object (shared, with prot), or the thread can write it by a descriptor: if others map it too and
 *  somebody may write it, they all become one group. 0 or -errno. */
int sharing__join(struct recorder *r, struct task *t, struct object *o, bool shared, uint32_t prot);
/** A process of the tree has a writable descriptor of the object. 0 or -errno. */
int sharing__holds_writer(struct recorder *r, struct object *o, pid_t pid);

#endif
