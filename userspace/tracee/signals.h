/* SPDX-License-Identifier: MIT */
/* signals.h: handing on the signal state that bprec got from its parent. */
#ifndef BPREC_TRACEE_SIGNALS_H
#define BPREC_TRACEE_SIGNALS_H

/** In the child, before execve: mask and dispositions as tracee__save_signals() found them. Async-signal-safe. */
void signals__restore(void);

#endif
