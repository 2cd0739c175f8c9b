/* SPDX-License-Identifier: MIT */
/* codefile.h: files that outsiders run, opened while they can be. */
#ifndef BPREC_RECORD_CODEFILE_H
#define BPREC_RECORD_CODEFILE_H

#include "bprec/kwho.h"
#include "record/recorder.h"

/** A file, kept until codefile__free. */
struct codefile {
	uint64_t inode;
	uint32_t dev, generation; /* in the kernel's encoding; generation 0: not known */
	int fd;			  /* readable; -1: it could not be had */
	char build_id[65];	  /* hexadecimal digits; "" if unknown */
	unsigned int tries;	  /* times it was looked for */
	char *path;		  /* of it, as far as known; never NULL */
	struct codefile *next;
};

/** The names of a kfile as a path inside its filesystem; one that isn't complete begins with "...". buf is returned. */
char *codefile__names(const char *names, char *buf, size_t size);
/** The file that the kernel has told of, looked for by its names in the mounts of this mount namespace or that of a process in
 *  `mnt_ns` (0: none), and believed if it has the inode number and begins with `head` (head_len bytes; 0: not known).
 *  NULL: no memory. */
struct codefile *codefile__of_kernel(struct recorder *r, const struct kfile *f, uint64_t mnt_ns,
				     const void *head, size_t head_len);
/** The file with this identity if it is known; NULL if not. generation 0: any. */
struct codefile *codefile__find(struct recorder *r, uint32_t dev, uint64_t inode,
				uint32_t generation);
/** Takes a descriptor (-1: none) into the list, under that identity. Closes it in any case where it isn't kept. NULL: no
 *  memory. */
struct codefile *codefile__keep(struct recorder *r, uint32_t dev, uint64_t inode,
				uint32_t generation, int fd, const char *path);
/** Closes and frees all. */
void codefile__free(struct recorder *r);

#endif
