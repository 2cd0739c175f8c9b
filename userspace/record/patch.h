/* SPDX-License-Identifier: MIT */
/* patch.h: instructions of chance: patched in executable mappings, carried out at their traps (DESIGN 8). */
#ifndef BPREC_RECORD_PATCH_H
#define BPREC_RECORD_PATCH_H

#include "record/recorder.h"

/** Patches what is mapped executable in [addr, addr + len) of a stopped thread's address space, after the events that say
 *  so. Names what can't be patched (EV_NOTE, once for each object). 0 or -errno. */
int patch__range(struct recorder *r, struct task *t, uint64_t addr, uint64_t len);
/** All of an address space in which nothing has run yet: cpuid, too, that can be answered without a stop (tracee/cpuids.h). 0 or
 *  -errno. */
int patch__image(struct recorder *r, struct task *t);
/** After a call of the thread that may have made memory executable. 0 or -errno. */
int patch__call(struct recorder *r, struct task *t, int64_t ret);
/** A thread stopped with SIGTRAP, siginfo in t->info. 1: it was a patched instruction, which is carried out and written
 *  down (EV_INSN), and the thread is readied. 0: it wasn't. -errno. */
int patch__trap(struct recorder *r, struct task *t);
/** A thread stopped with SIGSEGV: was it rdtsc or rdtscp, which the thread may not execute? Otherwise as patch__trap. */
int patch__fault(struct recorder *r, struct task *t);
/** Is the thread, stopped for another reason, about to get the SIGTRAP of a patched instruction? */
bool patch__pending(struct recorder *r, struct task *t);
/** Frees what is known of objects. */
void patch__free(struct recorder *r);

#endif
