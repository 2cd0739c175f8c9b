/* SPDX-License-Identifier: MIT */
/* ops.h: one change of a file for each channel, made the way an outsider would make it. */
#ifndef BPREC_PROBE_OPS_H
#define BPREC_PROBE_OPS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/** Bytes of the scratch file. Each change is made in a page of its own, so that events can't be taken for others'. */
#define OPS_FILE_SIZE (64 * 4096ul)
/** Bytes that a change of a few bytes changes. */
#define OPS_LEN 100u

/** What a change is made on. */
struct op {
	int fd;	       /* the file, for reading and writing; it has no name any more */
	int src;       /* another file of the same filesystem, as long, with other contents */
	char *map;     /* the whole of fd, MAP_SHARED and writable, in this process */
	uint64_t off;  /* in: a page's first byte; out: first byte that was changed */
	uint64_t len;  /* out: bytes that were changed, ~0: to the end */
	pid_t insider; /* a process of the tree that maps fd */
	char *victim;  /* address of a private page of the insider's */
	pid_t helper;  /* a traced and stopped outsider that has `map` too */
};

/** Makes one change and sets off and len. 0, or -errno: the kernel or the filesystem refused. */
typedef int (*op_fn)(struct op *o);

/** By a system call on the descriptor (ops_call.c). */
int op__write(struct op *o);
int op__pwrite(struct op *o);
int op__writev(struct op *o);
int op__pwritev(struct op *o);
int op__sendfile(struct op *o);
int op__splice(struct op *o);
int op__copy_file_range(struct op *o);
int op__clone(struct op *o);
int op__dedupe(struct op *o);
int op__fallocate(struct op *o);
int op__truncate(struct op *o);
int op__open_trunc(struct op *o);
int op__direct_write(struct op *o);

/** By a request that the kernel carries out (ops_ring.c). */
int op__io_uring(struct op *o);
int op__aio(struct op *o);

/** Through a mapping, or the memory of another process (ops_map.c). */
int op__madvise_remove(struct op *o);
int op__mmap_store(struct op *o);
int op__read_into_mapping(struct op *o);
int op__vmsplice(struct op *o);
int op__userfaultfd(struct op *o);
int op__ptrace(struct op *o);
int op__remote_memory(struct op *o);
int op__proc_mem(struct op *o);

#endif
