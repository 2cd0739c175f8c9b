/* SPDX-License-Identifier: MIT */
/* moved.h: bytes that sendfile, splice and their kin move to a descriptor that the tree inherited, without passing the
 * program's memory: a replay could not print them again, so they are written down (EV_OUTPUT). */
#ifndef BPREC_RECORD_MOVED_H
#define BPREC_RECORD_MOVED_H

#include "record/recorder.h"

/** Before the call: looks at what it would move. True: the call is answered with *ret (EINVAL: its bytes could not be
 *  written down; programs then fall back to read and write). */
bool moved__entry(struct recorder *r, struct task *t, int64_t *ret);
/** After the call: writes EV_OUTPUT. 0 or -errno. */
int moved__exit(struct recorder *r, struct task *t, int64_t ret);

#endif
