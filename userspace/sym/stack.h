/* SPDX-License-Identifier: MIT */
/* stack.h: stacks with names. */
#ifndef BPREC_SYM_STACK_H
#define BPREC_SYM_STACK_H

#include "bprec/format.h"
#include "sym/source.h"

/** Most frames of one stack. */
#define SYM_DEPTH_MAX 64

/** How a frame was found. */
enum sym_how {
	SYM_PLACE = 1,	/* it is where the thread is */
	SYM_TABLES = 2, /* by the unwind tables of the function that it called */
	SYM_POINTER = 3 /* by the frame pointer: likely, and no more */
};

/** One frame, innermost first. Texts are valid during the call. */
struct sym_frame {
	uint64_t pc;	      /* where it is, or will go on */
	const char *function; /* "" if unknown */
	uint64_t offset;      /* of pc in the function; without one, in the object */
	const char *path;     /* of the object, "" if unknown */
	const char *build_id; /* of the object, in hexadecimal digits; "" if it has none */
	enum sym_how how;
};

/** Takes one frame. */
typedef void (*sym_frame_fn)(void *arg, const struct sym_frame *frame);

/** Calls fn for each frame of a thread with these registers, at most `depth` and SYM_DEPTH_MAX. Returns how many: at least 1
 *  (the place where the thread is), whatever its memory holds. The files it maps needn't be there. */
unsigned int sym__stack(const struct sym_source *src, const struct regs64 *regs, unsigned int depth,
			sym_frame_fn fn, void *arg);

#endif
