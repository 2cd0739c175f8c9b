/* SPDX-License-Identifier: MIT */
#include "util/names.h"

#define TEXT(id, n, text) \
	case n:           \
		return text;
#define LOOKUP(fn, list)                                 \
	const char *fn(unsigned int v)                   \
	{                                                \
		switch (v) {                             \
			list(TEXT) default : return "?"; \
		}                                        \
	}

LOOKUP(channel_name, BPREC_CHANNELS)
LOOKUP(outcome_name, BPREC_OUTCOMES)
LOOKUP(verdict_name, BPREC_VERDICTS)
LOOKUP(exposure_name, BPREC_EXPOSURES)
LOOKUP(hook_state_name, BPREC_HOOK_STATES)
LOOKUP(loss_name, BPREC_LOSSES)
LOOKUP(gap_name, BPREC_GAPS)
LOOKUP(event_name, BPREC_EVENTS)
