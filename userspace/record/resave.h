/* SPDX-License-Identifier: MIT */
/* resave.h: contents of what is mapped, where a part may be mapped already. */
#ifndef BPREC_RECORD_RESAVE_H
#define BPREC_RECORD_RESAVE_H

#include "record/recorder.h"

/** Somebody maps pages [first, first + n) of the object: makes sure that the trace has their contents. Those that insiders map
 *  already are compared with what it has, where somebody outside can have stored into them. 0 or -errno. */
int resave__pages(struct recorder *r, struct object *o, uint64_t first, uint64_t n);

#endif
