/* SPDX-License-Identifier: MIT */
/* maplist.h: the mappings of one process, as the kernel and as /proc list them. */
#ifndef BPREC_RECORD_MAPLIST_H
#define BPREC_RECORD_MAPLIST_H

#include "record/recorder.h"
#include "tracee/tracee.h"

/** Both lists, in order of address. All zero is empty; maplist__free frees what it holds. */
struct maplist {
	struct khold *held; /* mappings of files */
	size_t nheld, held_cap;
	struct tracee_map *maps; /* with paths of their own */
	size_t nmaps, maps_cap;
	bool maps_read;
};

/** Reads the kernel's list, and makes what is mapped watched (kern__watch_process). 0 or -errno. */
int maplist__watch(struct maplist *l, struct kern *k, pid_t pid);
/** Reads /proc/PID/maps. 0 or -errno; what was read until then is there. */
int maplist__read(struct maplist *l, pid_t pid);
/** What the kernel's list has at an address; NULL: nothing. */
const struct khold *maplist__held_at(const struct maplist *l, uint64_t addr);
/** What /proc has there, read now if it wasn't; NULL: nothing, or the process is gone. */
const struct tracee_map *maplist__map_at(struct maplist *l, pid_t pid, uint64_t addr);
/** Frees what it holds; an empty (zeroed) one is allowed. */
void maplist__free(struct maplist *l);

#endif
