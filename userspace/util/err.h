/* SPDX-License-Identifier: MIT */
/* err.h: text of errors: a line that a lower layer leaves for the command that prints it. Lower layers never print. */
#ifndef BPREC_UTIL_ERR_H
#define BPREC_UTIL_ERR_H

#include <stdarg.h>

/** Longest text, NUL included. */
#define ERR_TEXT_MAX 512

/** Keeps a line of text for the calling thread (printf format) and returns `code`, so that one can write
 *  `return err__set(-EINVAL, "...")`. */
int err__set(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** The line kept last by this thread, "" if none. Valid until the next err__set. */
const char *err__text(void);
/** Forgets it. */
void err__clear(void);

#endif
