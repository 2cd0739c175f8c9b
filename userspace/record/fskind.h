/* SPDX-License-Identifier: MIT */
/* fskind.h: where the contents of a file system come from. */
#ifndef BPREC_RECORD_FSKIND_H
#define BPREC_RECORD_FSKIND_H

#include <stdint.h>

/** Who can change a file besides calls and mappings on this machine. */
enum fskind {
	FSKIND_LOCAL,	/* nobody (what lies on its devices apart: beneath.h) */
	FSKIND_SERVED,	/* the program or the other machine that it gets its contents from */
	FSKIND_UNKNOWN, /* bprec doesn't know this file system */
};

/** The kind of a file system, by its magic number (super_block.s_magic; statfs(2) has the same for nearly all); 0, not known:
 *  FSKIND_LOCAL. */
enum fskind fskind__of(uint64_t magic);

#endif
