/* SPDX-License-Identifier: MIT */
/* core.h: core files for debuggers. */
#ifndef BPREC_SYM_CORE_H
#define BPREC_SYM_CORE_H

#include <signal.h>

#include "bprec/format.h"
#include "sym/source.h"

/** A thread of the process. */
struct core_thread {
	uint32_t tid;
	struct regs64 regs;
	const void *xstate; /* NT_X86_XSTATE register set; NULL: unknown */
	size_t len;	    /* of it, bytes */
};

/** What the notes of a core file say. Pointers may be NULL with a length of 0. */
struct core_process {
	uint32_t pid, ppid, uid, gid;
	const char *name;		  /* of the executable: its last part is kept */
	const char *command;		  /* command line, arguments joined by blanks */
	const struct core_thread *thread; /* the current one first */
	size_t nthreads;		  /* at least 1 */
	const void *auxv;		  /* auxiliary vector */
	size_t auxv_len;		  /* bytes */
	int signo;			  /* that ends it or stopped it, 0: none */
	const siginfo_t *siginfo;	  /* of it, or NULL */
};

/** Writes a core file of a process; the file must not exist, and only its owner can read it. Pages of zeros are holes; mappings over 16 GiB
 *  have no contents.
 *  0, or -errno with err__set and no file. */
int sym__write_core(const char *path, const struct sym_source *src, const struct core_process *p);

#endif
