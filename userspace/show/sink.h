/* SPDX-License-Identifier: MIT */
/* sink.h: where decoded records go: one line of text for a person, or one JSON object a line. What decodes a record names
 * its fields once and doesn't know which. */
#ifndef BPREC_SHOW_SINK_H
#define BPREC_SHOW_SINK_H

#include <stddef.h>
#include <stdint.h>

#include "bprec/format.h"
#include "show/term.h"

/** Deepest nesting of lists and their items. */
#define SINK_DEPTH 8
/** Bytes of a buffer that text shows; -v shows SINK_BYTES_ALL. */
#define SINK_BYTES     32u
#define SINK_BYTES_ALL 4096u

struct sink;

/** The two ways of writing. Between begin and end of a record its fields come in order. */
struct sink_ops {
	/** Begins an event's record. */
	void (*event)(struct sink *s, const struct event_header *ev, uint64_t no);
	/** Begins a record of another kind. */
	void (*begin)(struct sink *s, const char *kind);
	/** A number. */
	void (*num)(struct sink *s, const char *name, uint64_t v);
	/** A number with a sign. */
	void (*snum)(struct sink *s, const char *name, int64_t v);
	/** An address or a set of bits. */
	void (*hex)(struct sink *s, const char *name, uint64_t v);
	/** A string, which may hold anything; NULL: none. */
	void (*text)(struct sink *s, const char *name, const char *v);
	/** Bytes. */
	void (*bytes)(struct sink *s, const char *name, const void *v, size_t len);
	/** A system call, with its name (NULL: unknown), arguments and result (NULL: not returned yet). */
	void (*call)(struct sink *s, uint32_t nr, const char *name, const uint64_t *args,
		     unsigned int nargs, const int64_t *ret);
	/** Begins a list of records, and each of them; `end` ends either. */
	void (*list)(struct sink *s, const char *name);
	void (*item)(struct sink *s);
	/** Ends what was begun last. Ending a record writes the line. */
	void (*end)(struct sink *s);
};

/** Where records go. Made by sink__text or sink__json. */
struct sink {
	const struct sink_ops *ops;
	const struct show_opts *o;
	uint64_t start_ns;	/* times are shown relative to it in text; set by the first event */
	int started;		/* start_ns is set */
	int failed;		/* memory ran out: the last line is incomplete */
	void *open[SINK_DEPTH]; /* JSON: containers that are open (json_t) */
	unsigned int depth;	/* how many are open */
	int comma;		/* text: a separator is due before the next field */
	char closing[SINK_DEPTH]; /* text: what ends each open container */
};

/** A sink that writes text. o has to outlive it. */
struct sink sink__text(const struct show_opts *o);
/** One that writes JSON lines. o has to outlive it. */
struct sink sink__json(const struct show_opts *o);

#endif
