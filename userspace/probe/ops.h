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
	char *text;    /* address at which the insider maps fd, private and executable */
	const char *
		device; /* block device below the filesystem, made for the trial; "" if there is none */
	int shared_fd; /* a BPF map of one word that the insider maps; negative: there is none */
	volatile uint64_t *shared; /* the same in this process */
	int keep;		   /* out: held until it was looked at what was seen; -1 */
};

/** Makes one change and sets off and len. 0, or -errno: the kernel or the filesystem refused. */
typedef int (*op_fn)(struct op *o);

/* ops_call.c: by a system call on the descriptor. */

/** write(2) at the file position. */
int op__write(struct op *o);
/** pwrite64(2). */
int op__pwrite(struct op *o);
/** writev(2) of two pieces at the file position. */
int op__writev(struct op *o);
/** pwritev(2) of two pieces. */
int op__pwritev(struct op *o);
/** sendfile(2) at the file position. */
int op__sendfile(struct op *o);
/** splice(2) from a pipe. */
int op__splice(struct op *o);
/** copy_file_range(2) from a file beside it. */
int op__copy_file_range(struct op *o);
/** FICLONERANGE of a page. */
int op__clone(struct op *o);
/** FIDEDUPERANGE of a page, made equal before. */
int op__dedupe(struct op *o);
/** fallocate(2): makes a page a hole. */
int op__fallocate(struct op *o);
/** truncate(2), by name. */
int op__truncate(struct op *o);
/** open(2) with O_TRUNC. */
int op__open_trunc(struct op *o);
/** pwrite64(2) through O_DIRECT. */
int op__direct_write(struct op *o);

/* ops_ring.c: by a request that the kernel carries out. */

/** IORING_OP_WRITE. */
int op__io_uring(struct op *o);
/** IOCB_CMD_PWRITE of io_submit(2). */
int op__aio(struct op *o);

/* ops_map.c: through a mapping, or in the memory of another process. */

/** madvise(2) MADV_REMOVE of a page. */
int op__madvise_remove(struct op *o);
/** Plain stores. */
int op__mmap_store(struct op *o);
/** read(2) from a pipe into the mapping. */
int op__read_into_mapping(struct op *o);
/** vmsplice(2) from a pipe into the mapping. */
int op__vmsplice(struct op *o);
/** UFFDIO_COPY into a hole. */
int op__userfaultfd(struct op *o);
/** PTRACE_POKEDATA into the helper's mapping. */
int op__ptrace(struct op *o);
/** process_vm_writev(2) to the insider; off is the address. */
int op__remote_memory(struct op *o);
/** pwrite64(2) to /proc/INSIDER/mem; off is the address. */
int op__proc_mem(struct op *o);

/* ops_below.c: by the kernel itself. */

/** A write to a loop device whose file is fd; nobody but the device has a writable descriptor of that open file. */
int op__kernel(struct op *o);
/** A write to the block device, to where the page is on the disk. */
int op__block_device(struct op *o);
/** An update of the BPF map that the insider maps. */
int op__kernel_shared(struct op *o);
/** A breakpoint in the insider's text, set through the file; off is the address. */
int op__uprobe(struct op *o);

#endif
