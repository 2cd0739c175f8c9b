/* SPDX-License-Identifier: MIT */
/* mapping.h: mappings of a stopped tracee into the trace: object, contents, EV_MAP. */
#ifndef BPREC_RECORD_MAPPING_H
#define BPREC_RECORD_MAPPING_H

#include "record/object.h"
#include "record/recorder.h"

struct tracee_map;

/** Writes down the whole address space of a thread that has just exec'd. 0 or -errno. */
int mapping__whole_space(struct recorder *r, struct task *t);
/** Writes down a mapping that mmap made: args are those of the call, at its result. 0 or -errno. */
int mapping__mmap(struct recorder *r, struct task *t, uint64_t addr);
/** Writes down the mapping at addr as /proc shows it (shmat). 0 or -errno. */
int mapping__at(struct recorder *r, struct task *t, uint64_t addr);
/** Pages of [addr, addr + len) that are new to a mapping of an object (mremap) are saved. 0 or -errno. */
int mapping__save_range(struct recorder *r, struct task *t, uint64_t addr, uint64_t len);
/** The object that a process maps at m, made with a descriptor of ours if it is new (EV_OBJECT). Nobody need be stopped: a
 *  mapping that has gone yields an object without a descriptor. 0 or -errno. */
int mapping__get_object(struct recorder *r, pid_t pid, const struct tracee_map *m,
			const struct object_key *key, struct object **ret);
/** Writes down that a process maps [offset, offset + len) of an object at addr: pages that are not saved yet, EV_MAP, who
 *  else can write it. prot, flags: as for mmap. 0 or -errno. */
int mapping__of_object(struct recorder *r, struct task *t, struct object *o, const char *path,
		       uint64_t addr, uint64_t len, uint32_t prot, uint32_t flags, uint64_t offset);

#endif
