/* SPDX-License-Identifier: MIT */
/* trail.h: a hash of where a program was interrupted, which tells two runs apart. */
#ifndef BPREC_TRAIL_H
#define BPREC_TRAIL_H

#include <stdint.h>

static volatile uint64_t trail;

/** Adds one value to the trail. */
static void mix(uint64_t v)
{
	trail = (trail ^ v) * 0x9e3779b97f4a7c15u;
	trail ^= trail >> 29;
}

#endif
