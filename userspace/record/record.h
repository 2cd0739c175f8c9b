/* SPDX-License-Identifier: MIT */
/* record.h: records a process tree. The public face of this folder. */
#ifndef BPREC_RECORD_RECORD_H
#define BPREC_RECORD_RECORD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "bprec/format.h"

/** How much of the program's memory is hashed, for replay to compare. */
enum record_checksum { CHECKSUM_SPARSE, CHECKSUM_NONE, CHECKSUM_ALL };

/** How write faults are turned on again in outsiders that have stored to a page. */
enum record_rearm { REARM_NONE, REARM_SOFT_DIRTY };

/** What to record and how. */
struct record_opts {
	const char *dir;   /* trace directory, made by writer__new */
	char *const *argv; /* command, ends with NULL */
	char *const *envp;
	bool require_observation; /* fail where BPF can't observe */
	enum record_checksum checksum;
	double compare_budget; /* percent of the time that goes into comparing exposed objects, 0 to 100 */
	enum record_rearm rearm;
	bool no_tsc_fault; /* as on a machine where rdtsc can't be made to fault (tests) */
	bool no_call_log;  /* all calls stop (tests) */
	bool drop_user;	   /* become uid, gid before the trace is made (BPF is loaded first) */
	uid_t uid;
	gid_t gid;
	const char *user;	  /* name for initgroups(3) */
	const char *disable_hook; /* leaves out one kernel hook (tests); NULL: none */
	bool give_trace; /* the trace's files belong to owner_uid, owner_gid from the start */
	uid_t owner_uid;
	gid_t owner_gid;
	/** Called with one line for the user (no newline, no prefix); may be NULL. */
	void (*warn)(void *ctx, const char *line);
	/** Called after the drop to the user and before the trace is made; makes `dir`'s parents. May be NULL. */
	int (*prepare)(void *ctx);
	void *ctx; /* for warn, prepare and event */
	/** Called with each event that was written and its number; may be NULL. */
	void (*event)(void *ctx, const struct event_header *ev, uint64_t no);
	pid_t attach; /* watch__run: this process and its descendants, in place of a command; 0: none */
};

/** How it ended. */
struct record_result {
	uint32_t end_kind; /* enum end_kind */
	int32_t end_code;  /* exit status, signal, or errno */
	bool not_executed; /* the command could not be executed: the value returned tells why */
	bool complete;	   /* the manifest was written */
	bool observed;	   /* BPF watched */
};

/** Records a command to its end. 0: *ret tells how the command ended (END_EXITED, END_SIGNALED). Negative: bprec failed,
 *  or the command could not be executed (ret->not_executed; -ENOENT: not found; nothing ran); err__text() says why.
 *  What was recorded until then is readable in any case; nothing is left of a command that was not executed. */
int record__run(const struct record_opts *opts, struct record_result *ret);
/** Watches a command, or a tree that runs already (opts->attach), without stopping anybody: what others change in what it
 *  maps becomes a trace that holds nothing else of it. Fails where the kernel can't be observed. Values as of record__run;
 *  END_LEFT: the tree was still running when a signal ended the watch. */
int watch__run(const struct record_opts *opts, struct record_result *ret);

#endif
