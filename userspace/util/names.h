/* SPDX-License-Identifier: MIT */
/* names.h: text of the enumerations of bprec/names.h. */
#ifndef BPREC_UTIL_NAMES_H
#define BPREC_UTIL_NAMES_H

#include "bprec/names.h"

/** Text of a value; "?" for one that is not in the list. Static strings. */
const char *channel_name(unsigned int v);
const char *outcome_name(unsigned int v);
const char *verdict_name(unsigned int v);
const char *exposure_name(unsigned int v);
const char *hook_state_name(unsigned int v);
const char *loss_name(unsigned int v);
const char *gap_name(unsigned int v);
const char *event_name(unsigned int v);

#endif
