/* SPDX-License-Identifier: MIT */
/* files.h: which descriptors lead to the recorded command's original stdin, stdout and stderr, as a function of events. */
#ifndef BPREC_MODEL_FILES_H
#define BPREC_MODEL_FILES_H

#include <stddef.h>
#include <stdint.h>

#include "bprec/format.h"

/** Descriptor tables of all threads. Opaque. */
struct files;

/** Reads len bytes of a thread's memory; returns bytes read (may be short) or -errno. */
typedef long (*files_read_fn)(void *ctx, uint32_t tid, uint64_t addr, void *buf, size_t len);

/** New, empty; NULL without memory. */
struct files *files__new(void);
/** A copy that lives on its own; NULL without memory. */
struct files *files__clone(const struct files *f);
/** NULL is allowed. */
void files__free(struct files *f);
/** Takes an event; those that don't concern descriptors cost little. `read` (may be NULL) is asked for the path of an open and
 *  the control messages of a recvmsg, as they are after the event. 0 or -ENOMEM. */
int files__apply(struct files *f, const struct event_header *ev, files_read_fn read, void *ctx);
/** 0, 1 or 2 if the thread's descriptor leads to the command's original stdin, stdout or stderr; -1 if it doesn't. */
int files__stream(const struct files *f, uint32_t tid, int fd);

#endif
