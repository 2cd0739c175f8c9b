/* SPDX-License-Identifier: MIT */
/* trace.h: what the commands that read a trace have in common. */
#ifndef BPREC_CMD_TRACE_H
#define BPREC_CMD_TRACE_H

#include "cmd/cmd.h"
#include "trace/reader.h"

/** Opens the trace named by an operand (NULL: `latest`). 0, or negative with err__text. */
int cmd__open_trace(const char *operand, struct reader **ret_reader);
/** Prints err__text as one line to stderr. Returns EXIT_TROUBLE. */
int cmd__trouble(void);

#endif
