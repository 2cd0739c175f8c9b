/* SPDX-License-Identifier: MIT */
/* check.h: what a trace is worth. From the trace alone: no root, no BPF, no original files. docs/VERDICTS.md has the rules. */
#ifndef BPREC_CHECK_H
#define BPREC_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bprec/format.h"
#include "model/model.h"
#include "trace/reader.h"

/** Times of the kernel and of the recorder are taken at different places; what lies closer together than this is not
 *  known to be in order (DESIGN 12, rule 2). */
#define CHECK_MARGIN_NS 10000ull
/** Most changes, exposures, gaps ... kept for a report; all are counted, and all count for the verdict. */
#define CHECK_KEEP_MAX (1u << 18)
/** Most insiders kept with one change; all are looked at. */
#define CHECK_KEEP_INSIDERS 64u
/** Different notes that are kept. */
#define CHECK_KEEP_NOTES 1000u
/** Stacks that are kept. */
#define CHECK_KEEP_STACKS 8192u

/** Options of check__run. Zero is the default of each. */
struct check_opts {
	bool trust_pages; /* don't verify the contents of the pages file (the recorder has just written it) */
};

/** An outsider. Strings are owned by the report. */
struct check_writer {
	uint32_t id;		   /* as in the trace */
	uint32_t pid, tid, uid;	   /* in the initial name spaces */
	uint64_t start_ns;	   /* start of the process since boot, 0: unknown */
	char comm[17];		   /* NUL-terminated */
	uint32_t ns_pid;	   /* in its own pid namespace, 0: unknown */
	char *exe, *cgroup, *args; /* args: arguments joined by blanks; "" if unknown */
	char *build_id;		   /* of exe, in hexadecimal digits; "" if unknown */
};

/** One frame of a stack. Strings are owned by the stack; "" if unknown. */
struct check_frame {
	struct stack_frame fact;
	const char *function, *file;
	const char *build_id; /* of file, in hexadecimal digits */
};

/** Where somebody was. */
struct check_stack {
	struct ev_stack fact;
	struct check_frame *frames; /* owned; fact.nframes, innermost first */
	char *strings;		    /* owned */
};

/** A change from outside. */
struct check_change {
	uint64_t event;			   /* number of the EV_CHANGE */
	struct ev_change fact;		   /* what the recorder wrote down */
	const struct check_writer *by;	   /* NULL: nobody could be named */
	const struct model_object *object; /* NULL with CHANGE_REMOTE */
	struct change_insider *insiders;   /* owned; the first CHECK_KEEP_INSIDERS */
	uint32_t ninsiders;		   /* kept */
	bool others;			   /* threads that are not among them may have seen it */
	enum outcome outcome;
	const char *why; /* reason of the outcome, a static phrase */
};

/** An exposure. */
struct check_exposure {
	struct ev_exposure fact;
	const struct check_writer *by;	   /* NULL: nobody could be named */
	const struct model_object *object; /* never NULL */
	uint64_t from_event;		   /* number of the EV_EXPOSURE */
	uint64_t to_event;		   /* number of the EV_EXPOSURE_END, ~0: none */
};

/** Something that could not be observed: told by the recorder, or found missing by check. */
struct check_gap {
	uint32_t kind;			   /* enum gap_kind */
	uint32_t channel;		   /* enum channel, CH_UNKNOWN: any */
	const struct model_object *object; /* NULL: all */
	char *reason;			   /* owned */
	uint64_t count;			   /* equal gaps that this entry stands for */
};

/** Something that a reader of the trace should know; no part of the verdict. */
struct check_note {
	char *text;	/* owned */
	uint64_t count; /* equal notes that this entry stands for */
};

/** Events that were lost. */
struct check_loss {
	struct ev_loss fact;
	char hook[65]; /* NUL-terminated name of the hook */
};

/** A kernel hook. */
struct check_hook {
	struct ev_hook fact;
	char name[65], serves[65]; /* NUL-terminated */
};

/** What check found. Owns all it points to; pointers to objects are into its model. */
struct check_report {
	char *dir; /* of the trace; owned */
	enum verdict verdict;
	bool complete;	     /* the trace has a manifest */
	bool observed;	     /* BPF observation was active */
	bool watched;	     /* by `bprec watch`: nobody was stopped, nothing is recorded */
	bool started;	     /* the trace has its first event */
	uint64_t lost;	     /* events lost */
	uint64_t torn;	     /* bytes of a last frame that was cut */
	uint64_t events;     /* that were read */
	uint64_t start_ns;   /* time of the first event */
	uint64_t end_ns;     /* time of the last event */
	char **argv;	     /* command, NULL-terminated; owned */
	size_t argc;	     /* words in it */
	char release[65];    /* kernel */
	uint32_t end_kind;   /* enum end_kind, 0: not known */
	int32_t end_code;    /* exit status, signal or errno */
	struct model *model; /* state after the last event */

	struct check_writer **writers; /* outsiders in the order of the trace; owned */
	size_t nwriters;
	struct check_stack *stacks;   /* in the order of the trace; owned */
	size_t nstacks;		      /* kept */
	struct check_change *changes; /* in the order of the trace */
	size_t nchanges;	      /* kept */
	uint64_t changes_all;	      /* found */
	uint64_t outcomes[5];	      /* how many, by enum outcome */
	uint64_t doubted[5];	      /* of these, how many that may not be of the object at all */
	uint64_t changes_ignored;     /* told of pages that nobody maps */
	struct check_exposure *exposures;
	size_t nexposures;
	uint64_t exposures_all;
	struct check_gap *gaps; /* equal ones are one entry */
	size_t ngaps;
	uint64_t gaps_all;
	struct check_loss *losses;
	size_t nlosses;
	struct check_hook *hooks;
	size_t nhooks;
	struct check_note *notes; /* equal ones are one entry */
	size_t nnotes;

	uint64_t objects;		/* page-cache objects that were watched */
	uint64_t pages_resnapshotted;	/* pages saved again after changes */
	uint64_t first_divergent_event; /* ~0: none */
	uint64_t
		bad_begin_ns; /* when the first change that makes it divergent may have begun; ~0: none */
};

/** Reads the whole trace and judges it. r is at its first event (it is rewound). opts may be NULL.
 *  0, or -errno or -trace_error with err__text set; *ret is written on success only and ended by check_report__free. */
int check__run(struct reader *r, const struct check_opts *opts, struct check_report **ret);
/** Changes that make it divergent: not exact, not of the same bytes, and for certain of a mapped object. */
uint64_t check__bad(const struct check_report *rep);
/** Changes that would make it divergent, and may have been of another object. */
uint64_t check__doubtful(const struct check_report *rep);
/** Judges events as they are written, before there is a trace to read. Opaque; check_live__new to check_live__free. */
struct check_live;
/** NULL: no memory. */
struct check_live *check_live__new(void);
/** Takes the next event. 1: *ret is the change that it tells of (owned by l, valid until the next event; NULL ret is allowed);
 *  0: none; -errno or -trace_error with err__text. */
int check_live__feed(struct check_live *l, const struct event_header *ev, uint64_t no,
		     const struct check_change **ret);
/** Frees; NULL is allowed. */
void check_live__free(struct check_live *l);
/** The stack with this id; NULL: there is none. */
const struct check_stack *check_report__stack(const struct check_report *rep, uint32_t id);
/** The stack of an insider at its first stop after the change of event `change`; NULL: there is none. */
const struct check_stack *check_report__insider(const struct check_report *rep, uint64_t change,
						uint32_t tid);
/** Frees a report; NULL is allowed. */
void check_report__free(struct check_report *rep);

#endif
