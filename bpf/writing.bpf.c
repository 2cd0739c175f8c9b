// SPDX-License-Identifier: GPL-2.0-only
/*
 * writing.bpf.c: calls of 64-bit callers that write through a descriptor: one program for their entries, one for their exits.
 *
 * These run for every write on the machine. Nearly all lead to nothing that is watched, and end before any function of ours is
 * called.
 */
#include "sys.bpf.h"

/* write, and the vectors. */
static __always_inline int native_write(__u32 nr, struct args *p, const struct opened *to)
{
	struct request r = { .channel = CH_WRITE, .hook = KHOOK_enter_write };

	switch (nr) {
	case NR64_WRITE:
		r.length = p->a[2];
		r.at_pos = true;
		return write_to(to, &r);
	case NR64_WRITEV:
		r.channel = CH_WRITEV;
		r.hook = KHOOK_enter_writev;
		r.at_pos = true;
		break;
	case NR64_PWRITEV2:
		r.channel = CH_PWRITEV;
		r.hook = KHOOK_enter_pwritev2;
		r.offset = p->a[3];
		r.at_pos = (__s64)p->a[3] == -1;
		r.append = p->a[5] & RWF_APPEND;
		break;
	default: /* pwritev */
		r.channel = CH_PWRITEV;
		r.hook = KHOOK_enter_pwritev;
		r.offset = p->a[3];
	}
	r.iov = p->a[1];
	r.iovlen = p->a[2];
	return write_to(to, &r);
}

/* pwrite64, and those that move bytes from one descriptor to another. */
static __always_inline int native_move(__u32 nr, struct args *p, const struct opened *to)
{
	struct request r = { .channel = CH_PWRITE, .hook = KHOOK_enter_pwrite64 };

	switch (nr) {
	case NR64_PWRITE64:
		r.length = p->a[2];
		r.offset = p->a[3];
		break;
	case NR64_SENDFILE:
		r.channel = CH_SENDFILE;
		r.hook = KHOOK_enter_sendfile64;
		r.length = p->a[3];
		r.at_pos = true;
		break;
	case NR64_SPLICE:
		r.channel = CH_SPLICE;
		r.hook = KHOOK_enter_splice;
		break;
	default:
		r.channel = CH_COPY_FILE_RANGE;
		r.hook = KHOOK_enter_copy_file_range;
	}
	if (nr == NR64_SPLICE || nr == NR64_COPY_FILE_RANGE) {
		r.length = p->a[4];
		user_offset(&r, p->a[3]);
	}
	return write_to(to, &r);
}

/* Which descriptor is written to. (The first read is done at all events: else the compiler makes one of both, by a pointer that is
 * either the context's or not, which the verifier refuses.) */
static __always_inline __u32 written_fd(const struct sys_enter *ctx)
{
	const __u32 first = *(const volatile __u64 *)&ctx->first;

	if (ctx->nr != NR64_SPLICE && ctx->nr != NR64_COPY_FILE_RANGE)
		return first;
	return native_args().a[2];
}

SEC("bprec_tracepoint/syscalls/sys_enter_write")
int writing_begin(struct sys_enter *ctx)
{
	struct opened to = {};

	if (!fd_concerns(written_fd(ctx), &to))
		return 0;
	struct args p = native_args();
	switch (ctx->nr) {
	case NR64_PWRITE64:
	case NR64_SENDFILE:
	case NR64_SPLICE:
	case NR64_COPY_FILE_RANGE:
		native_move(ctx->nr, &p, &to);
		break;
	default:
		native_write(ctx->nr, &p, &to);
	}
	return who_tell(WHO_CALL);
}

/* The write may have begun before what it leads to was watched. (Its descriptor as it is now: nobody has kept it.) */
static __always_inline bool begun_unseen(const struct sys_exit *ctx)
{
	struct opened to = {};

	if (!entered_lately() || ctx->ret <= 0)
		return false;
	const struct args p = native_args();
	const bool third = ctx->nr == NR64_SPLICE || ctx->nr == NR64_COPY_FILE_RANGE;
	if (!fd_concerns(third ? p.a[2] : p.a[0], &to))
		return false;
	begun_before(&to, ctx->ret, KHOOK_enter_write, CH_UNKNOWN);
	return true;
}

SEC("bprec_tracepoint/syscalls/sys_exit_write")
int writing_end(struct sys_exit *ctx)
{
	const __u64 who = current_thread();

	if (!quick_end(who, ctx->ret) && !(maybe_flying(who) && flight_end_change(ctx->ret)) &&
	    !begun_unseen(ctx))
		return 0;
	return who_tell(WHO_CALL);
}
