/* SPDX-License-Identifier: MIT */
/* insiders.h: the threads that map pages of an object: what they were doing, and stopping them. */
#ifndef BPREC_RECORD_INSIDERS_H
#define BPREC_RECORD_INSIDERS_H

#include "record/recorder.h"

/** Most threads named in one change. */
#define INSIDERS_MAX 512

/** What each thread that maps one of pages [first, first + n) is doing now; out has room for INSIDERS_MAX. Returns their
 *  number; threads beyond that are left out, and *ret_all_idle tells of all of them. */
size_t insiders__facts(struct recorder *r, const struct object *o, uint64_t first, uint64_t n,
		       struct change_insider *out);
/** Interrupts those that run user code. True: none does (they are stopped, or inside calls whose arguments are known). */
bool insiders__quiet(struct recorder *r, const struct object *o, uint64_t first, uint64_t n);
/** Does this thread's address space show one of the pages? */
bool insiders__maps(struct recorder *r, const struct task *t, uint32_t object, uint64_t first,
		    uint64_t n);
/** Those of pages [first, first + n) that somebody maps, added to *ret, which was empty. 0 or -ENOMEM. */
int insiders__mapped(struct recorder *r, const struct object *o, uint64_t first, uint64_t n,
		     struct ranges *ret);
/** Those of them that are saved, too, added to *ret, which was empty. 0 or -ENOMEM. */
int insiders__mapped_saved(struct recorder *r, const struct object *o, uint64_t first, uint64_t n,
			   struct ranges *ret);
/** Pages [first, first + n) of the object are about to be written into the trace: threads that map some, and are inside calls
 *  that it doesn't tell of yet, are noted there first, so that a replay has run their code up to the call. */
void insiders__note_entries(struct recorder *r, const struct object *o, uint64_t first, uint64_t n);
/** The same for all threads of an address space. */
void insiders__note_space(struct recorder *r, uint32_t space);
/** True if an insider can store into the object through a shared mapping. */
bool insiders__can_store(struct recorder *r, const struct object *o);
/** State of one thread with regard to [lo, hi) of its memory; *ret_idle: since when it can't have touched it (~0: it may). */
enum insider_state insiders__state(struct task *t, uint64_t lo, uint64_t hi, uint64_t *ret_idle);

#endif
