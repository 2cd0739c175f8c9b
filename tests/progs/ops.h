/* SPDX-License-Identifier: MIT */
/* ops.h: every way of changing a file that the tests know, by name; used by insiders and outsiders alike. */
#ifndef TESTS_OPS_H
#define TESTS_OPS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/** A file to change. What was opened or mapped beforehand is used, else it is opened and mapped for the one operation. */
struct target {
	char path[512];
	int fd;	    /* opened beforehand, else -1 */
	char *map;  /* mapped shared and writable beforehand, else NULL */
	size_t len; /* bytes of the mapping */
};

/** Finds the target of a path, or makes one. NULL if there are too many. */
struct target *target__get(const char *path);
/** Opens it for reading and writing, to stay open. 0 or -errno. */
int target__open(struct target *t);
/** Closes what target__open opened. */
void target__close(struct target *t);
/** Maps it shared and writable, to stay mapped; touch: reads one byte of each page. 0 or -errno. */
int target__map(struct target *t, int touch);
/** Unmaps what target__map mapped. */
void target__unmap(struct target *t);

/** Carries out the operation called name on bytes [off, off + len), which get the values byte, byte + 1, ...
 *  *ret_pid gets the pid of the process that did it (0: the caller). 0 or -errno; -ENOSYS: no such operation. */
int op_run(const char *name, struct target *t, off_t off, size_t len, int byte, pid_t *ret_pid);

#endif
