/* SPDX-License-Identifier: MIT */
/* frame.h: heads of files and frames: made by the writer, judged by the reader. Pure functions. */
#ifndef BPREC_TRACE_FRAME_H
#define BPREC_TRACE_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "bprec/format.h"

/** Name of a file in the trace directory. */
const char *trace_file_name(enum trace_file file);

/** Fills in the head of a file, hash included. */
void file_header__init(struct file_header *h, enum trace_file file, const uint8_t trace_id[16]);
/** Judges the head of a file. trace_id: what it must be, NULL: any. 0 or -trace_error with err__set. */
int file_header__check(const struct file_header *h, enum trace_file file, const uint8_t *trace_id);

/** Sets magic and header_hash; everything else has been filled in. */
void frame_header__seal(struct frame_header *h);
/** Judges the head of a frame of this kind of file on its own (not seq and first). 0 or -TRACE_E_DAMAGED with err__set. */
int frame_header__check(const struct frame_header *h, enum trace_file file);

#endif
