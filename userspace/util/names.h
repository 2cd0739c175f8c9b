/* SPDX-License-Identifier: MIT */
/* names.h: text of the enumerations of bprec/names.h. */
#ifndef BPREC_UTIL_NAMES_H
#define BPREC_UTIL_NAMES_H

#include "bprec/names.h"

/* Text of a value, as it stands in bprec/names.h; "?" for one that is not in the list. Static strings. */

/** Text of an enum channel. */
const char *channel_name(unsigned int v);
/** Text of an enum outcome. */
const char *outcome_name(unsigned int v);
/** Text of an enum verdict. */
const char *verdict_name(unsigned int v);
/** Text of an enum exposure_kind. */
const char *exposure_name(unsigned int v);
/** Text of an enum hook_state. */
const char *hook_state_name(unsigned int v);
/** Text of an enum loss_kind. */
const char *loss_name(unsigned int v);
/** Text of an enum gap_kind. */
const char *gap_name(unsigned int v);
/** Text of an enum event_type. */
const char *event_name(unsigned int v);

#endif
