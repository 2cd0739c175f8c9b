/* SPDX-License-Identifier: MIT */
/* sites.h: instructions of chance (DESIGN 8) in a file that is executed. No ptrace. */
#ifndef BPREC_INSN_SITES_H
#define BPREC_INSN_SITES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Most bytes of an instruction of chance and those behind it that a jump takes the place of. */
#define INSN_WINDOW_MAX 24

/** An instruction that can be patched. */
struct insn_site {
	uint64_t offset; /* of its first byte in the file */
	uint64_t part,
		part_len; /* file offset and bytes of the section (or segment) that it is in */
	uint8_t kind;	  /* enum insn_kind */
	uint8_t length;	  /* bytes */
	uint8_t first;	  /* its first byte in the file */
	/* what follows is set by others, at first zero */
	bool trapped;		       /* it has run */
	bool planned;		       /* window and code are known (cpuids__plan) */
	uint8_t window;		       /* bytes that a jump takes the place of; 0: none can */
	uint8_t code[INSN_WINDOW_MAX]; /* those bytes as they are in the file */
};

/** What a file holds. Zero-initialise; insn_sites__free ends it. */
struct insn_sites {
	struct insn_site *v; /* sorted by offset; owned */
	size_t n;
	size_t random; /* rdrand, rdseed, rdpid: true ones, which can't be patched alike */
	size_t undecided; /* bytes that look like one of all these, where no range tells where instructions begin */
	size_t undecided_tsc; /* ... of them rdtsc or rdtscp */
};

/** Finds them in the executable sections of an ELF file, without any in its executable segments (else: in all of it, and
 *  nothing can be decided). The descriptor's
 *  position isn't moved. 0 or -errno; *ret is written on success only. */
int insn_sites__find(int fd, struct insn_sites *ret);
/** The site at a file offset; NULL if there is none. */
struct insn_site *insn_sites__at(const struct insn_sites *s, uint64_t offset);
/** Index of the first site at or beyond a file offset. */
size_t insn_sites__from(const struct insn_sites *s, uint64_t offset);
/** Is the instruction that these bytes begin with rdtsc or rdtscp? Then *ret_kind (enum insn_kind) and *ret_length are set. */
bool insn_sites__is_tsc(const uint8_t *code, size_t len, uint8_t *ret_kind, uint8_t *ret_length);
/** Frees everything and zeroes the struct. */
void insn_sites__free(struct insn_sites *s);

#endif
