/* SPDX-License-Identifier: MIT */
/* procmem.h: memory that insiders write through /proc/PID/mem. */
#ifndef BPREC_RECORD_PROCMEM_H
#define BPREC_RECORD_PROCMEM_H

#include "record/recorder.h"

/** A call has returned: writes down the bytes that it stored through a descriptor of /proc/PID/mem. 0 or -errno. */
int procmem__exit(struct recorder *r, struct task *t, int64_t ret);

#endif
