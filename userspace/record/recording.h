/* SPDX-License-Identifier: MIT */
/* recording.h: beginning and end of a trace, the same for record and watch. */
#ifndef BPREC_RECORD_RECORDING_H
#define BPREC_RECORD_RECORDING_H

#include "record/recorder.h"

/** Loads BPF, becomes the user, makes the trace and writes its first events. r is zero but for opts, asks and watch.
 *  0 or -errno with err__text. */
int recording__open(struct recorder *r);
/** Many objects stay open: as many descriptors as there can be. After the command was started, which keeps its own limit. */
void recording__raise_file_limit(void);
/** Writes what the ring still holds, what was lost, and the end of the trace; r->end_kind and end_code are set. 0 or -errno. */
int recording__finish(struct recorder *r, struct record_result *ret);
/** Frees all but r itself; half-opened ones too. */
void recording__free(struct recorder *r);

#endif
