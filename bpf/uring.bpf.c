// SPDX-License-Identifier: GPL-2.0-only
/*
 * uring.bpf.c: requests of io_uring, from submission to completion, whoever carries them out (the submitter, a worker
 * or the polling thread: all share the descriptors and the tgid).
 *
 * At submission req->file is NULL; what is in req->cqe.fd is an ordinary descriptor, or an index of the ring's table of
 * registered files. A request before it in a chain may put a file there (open), so one that isn't found is looked for again
 * at completion, and announced late, with the time of the submission. A request that asks for no completion
 * (IOSQE_CQE_SKIP_SUCCESS) has no end that could be seen: it counts as under way until its process is gone.
 */
#include "obs.bpf.h"

enum { REQ_F_FIXED_FILE = 1, REQ_F_CQE_SKIP = 64 };
/* From <linux/io_uring.h>; the numbers are part of the interface. */
enum {
	OP_WRITEV = 2,
	OP_WRITE_FIXED = 5,
	OP_FALLOCATE = 17,
	OP_OPENAT = 18,
	OP_WRITE = 23,
	OP_OPENAT2 = 28,
	OP_SPLICE = 30,
	OP_URING_CMD = 46, /* what an ioctl does */
	OP_FTRUNCATE = 55,
	OP_WRITEV_FIXED = 61,
};

/* Range of a write: of vectors, len is their number. */
static __always_inline void rw_range(struct flight *f, struct io_rw *rw, bool vectors)
{
	f->n.offset = BPF_CORE_READ(rw, kiocb.ki_pos);
	f->n.length = vectors ? TO_END : BPF_CORE_READ(rw, len);
	f->end = (__s64)f->n.offset == -1 ? END_FILE_POS : END_GIVEN_POS;
}

static __always_inline void fallocate_range(struct flight *f, struct io_sync *s)
{
	f->n.offset = BPF_CORE_READ(s, off);
	f->n.length = BPF_CORE_READ(s, len);
	if (BPF_CORE_READ(s, mode) & ~7)
		f->n.length = TO_END;
}

/* A request that sets a size, since 6.9; what it changes depends on the object. */
static __always_inline void ftruncate_range(struct flight *f, void *cmd)
{
	if (!bpf_core_type_exists(struct io_ftrunc)) {
		f->n.flags |= KEVF_RANGE_UNKNOWN;
		f->n.length = TO_END;
		return;
	}
	struct io_ftrunc *s = cmd;

	f->n.offset = BPF_CORE_READ(s, len);
	f->end = END_BY_SIZE;
}

/* An open: where the file will be found, and with which flags. */
static __always_inline void open_request(struct flight *f, void *cmd)
{
	struct io_open *s = cmd;

	f->end = END_BY_FD;
	f->size = O_TRUNC; /* it may be */
	if (!bpf_core_type_exists(struct io_open))
		return;
	f->file = BPF_CORE_READ(s, file_slot);
	f->size = BPF_CORE_READ(s, how.flags);
}

/* What a request will change; false: nothing. The command's data begins where the request does. */
static __always_inline bool request_range(struct flight *f, __u8 opcode, void *cmd)
{
	switch (opcode) {
	case OP_WRITEV:
	case OP_WRITEV_FIXED:
		rw_range(f, cmd, true);
		return true;
	case OP_WRITE:
	case OP_WRITE_FIXED:
		rw_range(f, cmd, false);
		return true;
	case OP_FALLOCATE:
		fallocate_range(f, cmd);
		return true;
	case OP_FTRUNCATE:
		ftruncate_range(f, cmd);
		return true;
	case OP_SPLICE:
	case OP_URING_CMD:
		f->n.flags |= KEVF_RANGE_UNKNOWN;
		f->n.length = TO_END;
		return true;
	case OP_OPENAT:
	case OP_OPENAT2:
		open_request(f, cmd);
		return true;
	default:
		return false;
	}
}

/* A file by its index among those that are registered with the ring; 0: there is none. */
static __always_inline __u64 fixed_file(struct io_kiocb *req, __u32 index)
{
	struct io_ring_ctx *ctx = BPF_CORE_READ(req, ctx);
	struct io_file_table *table =
		(void *)ctx + bpf_core_field_offset(struct io_ring_ctx, file_table);
	struct io_file_table___files *old = (void *)table;
	struct io_rsrc_node *node = NULL;
	__u64 file = 0;

	if (bpf_core_field_exists(table->data)) {
		struct io_rsrc_node **nodes = BPF_CORE_READ(table, data.nodes);

		bpf_probe_read_kernel(&node, sizeof(node), nodes + index);
		file = BPF_CORE_READ(node, file_ptr);
	} else {
		struct io_fixed_file *files = BPF_CORE_READ(old, files);

		bpf_probe_read_kernel(&file, sizeof(file), files + index);
	}
	return file & ~7ull;
}

/* Finds the object of a file. false: the request doesn't matter. */
static __noinline int request_object(struct flight *f, __u64 addr)
{
	struct target t = {};
	int kind = file_target(addr, &t);

	if (kind == TARGET_MEM)
		mem_written(&f->n, t.pid);
	if (kind != TARGET_WATCHED)
		return false;
	f->n.object = t.object;
	f->file = t.file;
	if (f->end == END_BY_SIZE) {
		truncate_range(&f->n, object_size(t.object), f->n.offset);
		f->end = END_AS_BEGUN;
	} else if (t.f_flags & O_APPEND) {
		f->n.flags |= KEVF_APPEND;
		f->n.offset = object_size(t.object);
		f->end = END_APPEND;
	} else if (f->end == END_FILE_POS) {
		struct file *file = (void *)t.file;
		f->n.offset = BPF_CORE_READ(file, f_pos);
	}
	if (t.f_flags & O_DIRECT)
		f->n.flags |= KEVF_DIRECT;
	return true;
}

static __always_inline int submit(struct io_kiocb *req, __u32 hook)
{
	struct flight f = { .n = { .channel = CH_IO_URING, .hook = hook } };
	__u64 flags = BPF_CORE_READ(req, flags);

	if (!request_range(&f, BPF_CORE_READ(req, opcode), req))
		return 0;
	if (f.end != END_BY_FD) {
		bool fixed = flags & REQ_F_FIXED_FILE;
		__u32 fd = BPF_CORE_READ(req, cqe.fd);
		__u64 file = fixed ? fixed_file(req, fd) : fd_file(fd);

		if (!file && fixed && flags & REQ_F_CQE_SKIP)
			loss(hook, LOSS_READ_FAILED); /* it isn't known what it writes to */
		if (!request_object(&f, file) && !fixed)
			return 0;
	}
	f.who = as_number(req);
	if (!(flags & REQ_F_CQE_SKIP))
		return flight_begin(&f, FLIGHT_URING);
	if (f.end == END_BY_FD && f.size & O_TRUNC)
		loss(hook, LOSS_READ_FAILED); /* which file it cuts is never told */
	if (!f.n.object)
		return 0;
	holder_add(HOLDS_FD, hook);
	return flight_open(&f);
}

SEC("bprec_tp/io_uring_submit_req")
int BPF_PROG(uring_submit, struct io_kiocb *req)
{
	submit(req, KHOOK_uring_submit);
	return who_tell(WHO_CALL);
}

/* Its name up to 6.1 */
SEC("bprec_tp/io_uring_submit_sqe")
int BPF_PROG(uring_submit_sqe, struct io_kiocb *req)
{
	submit(req, KHOOK_uring_submit_sqe);
	return who_tell(WHO_CALL);
}

/* A registered file that wasn't there at submission. */
static __noinline int complete_fixed(struct flight *f, __u64 file, __s64 res)
{
	struct target t = {};

	if (file_target(file, &t) != TARGET_WATCHED)
		return 0;
	f->n.object = t.object;
	if (f->end != END_AS_BEGUN && f->end != END_GIVEN_POS) {
		f->n.flags |= KEVF_RANGE_UNKNOWN;
		f->n.offset = 0;
		f->n.length = TO_END;
	}
	return flight_late(f, res);
}

/* open: O_TRUNC, or a new writable descriptor. One that isn't a descriptor, but a registered file, is found by the counters of its
 * inode. */
static __noinline int complete_open(struct flight *f, struct io_kiocb *req, __s64 res)
{
	const __u32 slot = f->file;
	struct target t = {};

	if (res < 0)
		return 0;
	if (f->size & O_TRUNC && slot)
		open_cut(f, file_object(fixed_file(req, slot == ~0u ? res : slot - 1)));
	else if (f->size & O_TRUNC)
		open_cut(f, file_object(fd_file(res)));
	if (slot || fd_target(res, &t) != TARGET_WATCHED)
		return 0;
	struct note n = { .type = KEV_OPENED, .object = t.object, .aux = res };
	n.hook = KHOOK_uring_complete;
	holder_add(HOLDS_FD, n.hook);
	return emit(&n);
}

static __noinline int complete(struct io_kiocb *req, __s64 res)
{
	struct flight_key key = { as_number(req), FLIGHT_URING };
	struct flight *kept = bpf_map_lookup_elem(&flights, &key);

	if (!kept)
		return 0; /* it is none, or began before its object was watched */
	struct flight f = *kept;
	if (f.end == END_BY_FD)
		complete_open(&f, req, res);
	else if (!f.n.object)
		complete_fixed(&f, (__u64)BPF_CORE_READ(req, file), res);
	else
		flight_finish(&f, res);
	bpf_map_delete_elem(&flights, &key); /* not sooner: cut.bpf.c */
	return 1;
}

/* A request is over of which nothing was announced: a write that began before what it leads to was watched? */
static __noinline int complete_unseen(struct io_kiocb *req, __s64 res)
{
	const __u8 opcode = BPF_CORE_READ(req, opcode);
	struct opened to = {};

	if (opcode != OP_WRITE && opcode != OP_WRITEV && opcode != OP_WRITE_FIXED &&
	    opcode != OP_WRITEV_FIXED)
		return 0;
	if (!opened_watched((__u64)BPF_CORE_READ(req, file), &to))
		return 0;
	return begun_before(&to, res, KHOOK_uring_complete, CH_IO_URING);
}

static __always_inline int over(struct io_kiocb *req, __s64 res)
{
	if (complete(req, res) || !entered_lately())
		return 0;
	return complete_unseen(req, res);
}

/* Arguments: (ctx, req, cqe) from 6.13 or so; (ctx, req, user_data, res, ...) from 5.19; before that no request. */
SEC("bprec_tp/io_uring_complete")
int uring_complete(__u64 *ctx)
{
	struct io_kiocb *req = (void *)ctx[1];

	if (uring_complete_args == 3) {
		struct io_uring_cqe *cqe = (void *)ctx[2];
		return over(req, BPF_CORE_READ(cqe, res));
	}
	if (uring_complete_args >= 7)
		return over(req, (int)ctx[3]);
	return 0;
}
