/* SPDX-License-Identifier: MIT */
/* mapping.h: mappings of a stopped tracee into the trace: object, contents, EV_MAP. */
#ifndef BPREC_RECORD_MAPPING_H
#define BPREC_RECORD_MAPPING_H

#include "record/recorder.h"

/** Writes down the whole address space of a thread that has just exec'd. 0 or -errno. */
int mapping__whole_space(struct recorder *r, struct task *t);
/** Writes down a mapping that mmap made: args are those of the call, at its result. 0 or -errno. */
int mapping__mmap(struct recorder *r, struct task *t, uint64_t addr);
/** Writes down the mapping at addr as /proc shows it (shmat). 0 or -errno. */
int mapping__at(struct recorder *r, struct task *t, uint64_t addr);
/** Pages of [addr, addr + len) that are new to a mapping of an object (mremap) are saved. 0 or -errno. */
int mapping__save_range(struct recorder *r, struct task *t, uint64_t addr, uint64_t len);

#endif
