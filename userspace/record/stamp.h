/* SPDX-License-Identifier: MIT */
/* stamp.h: size and times of objects' files, which tell that something changed even where no hook tells what. */
#ifndef BPREC_RECORD_STAMP_H
#define BPREC_RECORD_STAMP_H

#include "record/recorder.h"

/** What our descriptor of the object shows now; all 0 if there is none. */
struct file_stamp stamp__of(const struct object *o);
/** Has something changed since o->stamp was taken, or may it have, that insiders' own stores don't explain? False where the kernel
 *  isn't watched. */
bool stamp__moved(const struct recorder *r, const struct object *o);

#endif
