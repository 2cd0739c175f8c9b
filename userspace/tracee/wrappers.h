/* SPDX-License-Identifier: MIT */
/* wrappers.h: functions of a C library that make one system call and nothing else. No ptrace. */
#ifndef BPREC_TRACEE_WRAPPERS_H
#define BPREC_TRACEE_WRAPPERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Bytes of `mov $NR, %eax; syscall`, in whose place the same number of bytes of a call fits; and those of `mov $-100, %edi; syscall`. */
#define WRAPPER_BYTES 7

/** One such function. */
struct wrapper {
	uint64_t offset; /* of WRAPPER_BYTES in the file */
	uint32_t nr;	 /* of the call */
	bool at_cwd;	 /* the bytes are mov $-100, %edi (AT_FDCWD); rax is set before */
};

/** What a file holds. */
#define WRAPPERS_MAX 16
struct wrappers {
	struct wrapper v[WRAPPERS_MAX];
	size_t n;
};

/** Finds the wrappers of the calls with these numbers among the functions that an ELF file exports. Only those whose code is, from the
 *  first byte to the return, as glibc's is compiled: the eight bytes below rsp are not in use at the call, and nothing jumps to it. Those of
 *  ld.so, which doesn't export them, too. The
 *  descriptor's position isn't moved. What can't be read has none. */
void wrappers__find(int fd, const uint32_t *nr, size_t n, struct wrappers *ret);
/** The bytes that a wrapper has in the file. */
void wrapper__bytes(const struct wrapper *w, uint8_t ret[WRAPPER_BYTES]);
/** Bytes in place of these: a call of the code at an address below 4 GiB, by way of eax, or of edi (at_cwd). */
void wrapper__patch(const struct wrapper *w, uint64_t code, uint8_t ret[WRAPPER_BYTES]);

#endif
