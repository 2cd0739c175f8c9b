/* SPDX-License-Identifier: MIT */
/* source.h: a stopped process as symbols and core files need it. Memory and mappings come by callbacks, so that it may be
 * one that is replayed, one that is traced, or a test. */
#ifndef BPREC_SYM_SOURCE_H
#define BPREC_SYM_SOURCE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/** One mapping. */
struct sym_map {
	uint64_t addr, end; /* bytes, multiples of the page size */
	uint64_t offset;    /* of addr in the object */
	uint32_t prot;	    /* PROT_* */
	const char *path;   /* of the object, "" for anonymous memory; valid during the call */
};

/** Takes one mapping; anything but 0 ends the walk and is returned by it. */
typedef int (*sym_map_fn)(void *arg, const struct sym_map *map);

/** A stopped process. */
struct sym_source {
	/** Reads its memory: bytes read up to the first unreadable page, or -errno. */
	ssize_t (*read)(void *ctx, uint64_t addr, void *buf, size_t len);
	/** Calls fn for each mapping by rising address; 0, fn's answer, or -errno. */
	int (*each_map)(void *ctx, sym_map_fn fn, void *arg);
	/** A descriptor, the caller's, of the very file that is mapped at an address; -1: there is none. NULL: files are looked
	 *  for by their paths, and believed if they have the build id that is in memory. */
	int (*open)(void *ctx, uint64_t addr);
	void *ctx; /* for all */
};

#endif
