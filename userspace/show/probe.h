/* SPDX-License-Identifier: MIT */
/* probe.h: prints what `bprec probe` found. */
#ifndef BPREC_SHOW_PROBE_H
#define BPREC_SHOW_PROBE_H

#include <stdbool.h>
#include <stdio.h>

#include "bprec/probe.h"

/** Can every channel by which a change can come be seen at least page by page? */
bool show__probe_complete(const struct probe_report *r);
/** Prints the verdicts, the features and the table of channels for a person; with colour if asked. */
void show__probe_text(FILE *to, const struct probe_report *r, bool colour);
/** Prints the JSON of CLI.md. 0, or -ENOMEM with nothing printed. */
int show__probe_json(FILE *to, const struct probe_report *r);

#endif
