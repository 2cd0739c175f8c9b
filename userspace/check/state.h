/* SPDX-License-Identifier: MIT */
/* state.h: what check knows while it reads a trace; for the files of check/ only. */
#ifndef BPREC_CHECK_STATE_H
#define BPREC_CHECK_STATE_H

#include "check/check.h"

/** What check keeps of an object beside the model. */
struct object_facts {
	uint64_t
		dropped_ns; /* last time a thread that mapped it unmapped some of it, exec'd or exited; 0: never */
	uint64_t saved_ns;     /* when its contents were read last (EV_PAGES); 0: never */
	uint64_t compare_no;   /* number of the last event that says it was compared; ~0: none */
	uint32_t mapping_open; /* exposures by a mapping that have not ended */
	bool suspect; /* such an exposure began, and no look was taken since all have ended */
	bool unlooked; /* suspect, and insiders may have run between the last look and an unmapping */
	bool device;   /* a device whose mapping has been reported */
	bool hidden;   /* the recorder has said that stores into it can't be seen */
	bool unreadable; /* pages that were lost have been reported */
};

/** When threads of an address space last ran, by event numbers; ~0: never. */
struct space_times {
	uint64_t last,
		before; /* the last event that a thread had run for, and the one before that */
};

/** State of one pass over a trace. */
struct check_state {
	struct check_report *rep;
	struct reader *reader; /* NULL: events come while they are written */
	struct model *model;   /* rep->model */
	void *objects;	       /* JudyL: object id -> struct object_facts, owned */
	void *spaces;	       /* JudyL: space id -> struct space_times, owned */
	void *writers;	       /* JudyL: writer id -> struct check_writer, owned by rep */
	void *exposures; /* JudyL: exposure id -> index into rep->exposures + 1; ~0: not kept */
	void *pages;	 /* JudyL: number of an EV_PAGES -> object << 1 | has lost pages */
	uint64_t
		bad_begin_ns; /* earliest beginning of a change that makes it divergent; ~0: none */
	void *bad_pids;	      /* Judy1: thread groups that map what such a change touched */
	bool bad_anyone;      /* such a change may have been seen by somebody who is not listed */
	uint64_t last_no;     /* number of the last event */
	uint64_t attached;    /* hooks that serve */
	bool ended;	      /* EV_END was seen */
};

/** Facts of an object, made on first use; NULL: no memory. */
struct object_facts *check__object(struct check_state *s, uint32_t object);
/** Grows an array of *n elements of `size` bytes by one zeroed element and returns it; NULL: no memory. */
void *check__grow(void *array_ptr, size_t *n, size_t size);
/** Adds a gap, or counts it if there is an equal one. 0 or -ENOMEM. */
int check__gap(struct check_state *s, enum gap_kind kind, uint32_t channel, uint32_t object,
	       const char *reason);
/** A contradiction in the trace: keeps a line of text and returns -TRACE_E_EVENT. */
int check__bad_event(const struct check_state *s, uint64_t no, const char *what);

/** Takes one event. 0 or negative with err__text. */
int check__event(struct check_state *s, const struct event_header *ev, uint64_t no);
/** Frees what the state owns beside the report. */
void check__state_free(struct check_state *s);
/** Before an event changes the model: notes what it takes away from whom. 0 or -ENOMEM. */
int check__before(struct check_state *s, const struct event_header *ev, uint64_t no);
/** After the model took an event: writes facts into the report. 0 or negative with err__text. */
int check__take(struct check_state *s, const struct event_header *ev, uint64_t no);
/** EV_CHANGE: derives its outcome and enters it. 0 or negative with err__text. */
int check__change(struct check_state *s, const struct event_header *ev, uint64_t no);
/** Remembers whom a change that makes the trace divergent concerns, and since when. 0 or -ENOMEM. */
int check__blame(struct check_state *s, const struct check_change *c);
/** At the end of the trace: what was not looked at, hooks that are missing, and so on. 0 or -ENOMEM. */
int check__finish(struct check_state *s);
/** The verdict from all that is in the report. */
enum verdict check__verdict(const struct check_report *rep);

#endif
