/* SPDX-License-Identifier: MIT */
/* state.h: the inside of struct model, for the files of model/ only. */
#ifndef BPREC_MODEL_STATE_H
#define BPREC_MODEL_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bprec/format.h"
#include "model/model.h"
#include "model/pagemap.h"
#include "model/vmas.h"

/** Bounds on what an event may ask for. All are beyond what Linux allows or a machine can hold. */
#define MODEL_TID_MAX	      (1u << 22) /* PID_MAX_LIMIT of include/linux/threads.h (5.15 to 6.18) */
#define MODEL_SPACE_VMAS_MAX  (1u << 18)   /* mappings in one address space */
#define MODEL_VMAS_MAX	      (1u << 22)   /* mappings in all living address spaces */
#define MODEL_OBJECTS_MAX     (1u << 22)   /* objects */
#define MODEL_RUNS_MAX	      (1u << 25)   /* runs of pages in all objects */
#define MODEL_OBJECT_SIZE_MAX (1ull << 62) /* bytes of an object */
#define MODEL_PATH_MAX	      8192u	   /* bytes of a path, NUL included */

/** A string with a count of its users. */
struct text {
	uint32_t users;
	char s[];
};

/** An address space; dies with its last living thread. */
struct space {
	struct model_space pub; /* what callers see; vmas and nvmas follow `maps` */
	struct vmas maps;
	struct task *tasks; /* living threads, linked by prev and next */
};

/** A thread. */
struct task {
	struct model_task pub;
	struct text *exe;	  /* counted; NULL before the first exec */
	struct task *prev, *next; /* in its space while it lives */
	bool ended_by_exec; /* an execve of another thread ended it; its EV_EXIT may still come */
};

/** An object. */
struct object {
	struct model_object pub; /* path is owned */
	struct pagemap pages;
};

/** All state. Judy arrays map ids to the structures above, which they own. */
struct model {
	void *tasks, *spaces, *objects; /* JudyL by tid, space id, object id */
	void *groups;			/* JudyL: merged group -> group it was merged into */
	size_t nobjects, nvmas, nruns;	/* totals, held against the bounds */
	uint32_t root;			/* tid of the root task, 0 before it */
	char error[200];
};

/** Value of a JudyL array, NULL if there is none. */
void *model__get(const void *array, uint64_t key);
/** Enters a value in a JudyL array. 0 or -ENOMEM. */
int model__put(void **array, uint64_t key, void *value);
/** Keeps a reason (printf format) and returns -EBADMSG. */
int model__refuse(struct model *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** Frees a space with its mappings (tasks are not touched). */
void space__free(struct model *m, struct space *s);
/** The living thread that an event is about, with its address space; NULL after model__refuse. */
struct task *task__living(struct model *m, const struct event_header *ev);
/** Frees a task. */
void task__free(struct task *t);

/* Each takes one kind of event. 0, -EBADMSG (model__refuse), -ENOMEM. */

/** EV_PROCESS: a process or thread begins. */
int apply__process(struct model *m, const struct event_header *ev);
/** EV_EXEC: a new address space; the other threads of the process are gone. */
int apply__exec(struct model *m, const struct event_header *ev);
/** EV_EXIT: a thread ends, and with its last one the address space. */
int apply__exit(struct model *m, const struct event_header *ev);
/** EV_GROUP. */
int apply__group(struct model *m, const struct event_header *ev);
/** EV_MAP: a mapping, over what was there. */
int apply__map(struct model *m, const struct event_header *ev);
/** EV_UNMAP: a range without mappings. */
int apply__unmap(struct model *m, const struct event_header *ev);
/** EV_PROTECT: other access to a range that is mapped. */
int apply__protect(struct model *m, const struct event_header *ev);
/** EV_REMAP: a mapping moves, grows or shrinks. */
int apply__remap(struct model *m, const struct event_header *ev);
/** EV_OBJECT: an object is seen for the first time. */
int apply__object(struct model *m, const struct event_header *ev);
/** EV_PAGES: what pages of an object hold from here on. */
int apply__pages(struct model *m, const struct event_header *ev);

#endif
