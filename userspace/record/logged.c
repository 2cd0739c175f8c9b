/* SPDX-License-Identifier: MIT */
/*
 * logged.c: see logged.h.
 *
 * The log is memory of the tracee, private, and zeros in a child (MADV_WIPEONFORK, Linux 4.14), where it is switched off by that. It
 * is taken before any other event of the thread is written, by one process_vm_readv; what is in it is checked, since the program
 * could write there.
 *
 * A thread that is stopped inside the code, by a signal or an interrupt, must not be left there: a replay, in which each of the calls
 * stops, is never at that place. So the rest of the code is carried out here, or, if the call wasn't made, made where it stops.
 *
 * A process that is killed and gives no stop any more takes the calls with it that it has logged since its last one.
 */
#include "record/logged.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <asm/unistd.h>

#include "record/emit.h"
#include "tracee/calllog.h"
#include "tracee/tracee.h"

#define PIECE	1024u /* of the log that is read first: most often that is all of it */
#define PAD8(n) (((n) + 7) & ~7ull)

static uint8_t log_bytes[CALLLOG_BYTES];

/** bprec's code into bprec's page. */
static int put_code(struct recorder *r, struct task *t)
{
	static uint8_t padded[CALLLOG_CODE_MAX];
	size_t len;
	const void *code = calllog__code(&len);
	const struct ev_data ev = { .addr = CALLLOG_CODE, .len = len, .why = DATA_PATCH };
	int err = len <= sizeof(padded) ? tracee__write(t->tid, CALLLOG_CODE, code, len) : -E2BIG;

	if (err)
		return err;
	memcpy(padded, code, len);
	return emit(r, EV_DATA, t, &ev, sizeof(ev), padded, PAD8(len));
}

static int map_log(struct task *t)
{
	const uint64_t map[6] = { CALLLOG_ADDR,
				  CALLLOG_BYTES,
				  PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
				  ~0ull,
				  0 };
	const uint64_t wipe[6] = { CALLLOG_ADDR, CALLLOG_BYTES, MADV_WIPEONFORK };
	int64_t ret;
	int err = tracee__inject(t->tid, __NR_mmap, map, &ret);

	if (!err && ret != (int64_t)CALLLOG_ADDR)
		return ret < 0 ? (int)ret : -EEXIST;
	if (!err)
		err = tracee__inject(t->tid, __NR_madvise, wipe, &ret);
	return err ? err : (int)ret;
}

/** A log for an address space. 1: it has one, 0: it can't have one, -errno: the trace could not be written, or the thread is gone. */
static int give_log(struct recorder *r, struct task *t, struct aspace *a)
{
	const struct ev_map ev = { .addr = CALLLOG_ADDR,
				   .len = CALLLOG_BYTES,
				   .prot = PROT_READ | PROT_WRITE,
				   .flags = MAP_PRIVATE | MAP_ANONYMOUS,
				   .kind = MAP_KIND_BPREC };
	int err;

	if (a->log || a->no_log)
		return a->log;
	err = map_log(t);
	a->no_log = err != 0;
	if (err)
		return err == -ESRCH ? err : 0;
	err = emit(r, EV_MAP, t, &ev, sizeof(ev), NULL, 0);
	if (!err)
		err = put_code(r, t);
	a->log = !err;
	return err ? err : 1;
}

static int patch_one(struct recorder *r, struct task *t, uint64_t addr, const struct wrapper *w)
{
	const struct ev_data ev = { .addr = addr, .len = WRAPPER_BYTES, .why = DATA_PATCH };
	uint8_t was[WRAPPER_BYTES], now[WRAPPER_BYTES], padded[8] = { 0 };

	wrapper__bytes(w, was);
	if (tracee__read(t->tid, addr, now, sizeof(now)) != sizeof(now) ||
	    memcmp(was, now, sizeof(was)))
		return 0; /* the program has other code there, or none */
	wrapper__patch(w, w->at_cwd ? calllog__entry_cwd() : calllog__entry(w->nr), padded);
	int err = tracee__write(t->tid, addr, padded, WRAPPER_BYTES);
	if (err)
		return err == -ESRCH ? err : 0;
	return emit(r, EV_DATA, t, &ev, sizeof(ev), padded, sizeof(padded));
}

int logged__patch(struct recorder *r, struct task *t, const struct model_vma *v,
		  const struct wrappers *w)
{
	struct aspace *a = aspace__get(r, t->space);
	int err = 0;

	if (!a)
		return -ENOMEM;
	if (!r->log_calls || t->by_syscall || !w->n)
		return 0;
	for (size_t i = 0; i < w->n && err >= 0; i++) {
		const uint64_t at = w->v[i].offset - v->offset;

		if (w->v[i].offset < v->offset || at + WRAPPER_BYTES > v->end - v->addr)
			continue;
		err = give_log(r, t, a);
		if (!err)
			return 0;
		if (err > 0)
			err = patch_one(r, t, v->addr + at, &w->v[i]);
	}
	return err < 0 ? err : 0;
}

void logged__arm(struct recorder *r, struct task *t, bool alone)
{
	struct aspace *a = r->log_calls ? aspace__get(r, t->space) : NULL;
	uint64_t words[2] = { CALLLOG_FIRST, CALLLOG_LIMIT };
	bool on;
	int err;

	if (!a || !a->log)
		return;
	on = alone && !t->held && !t->by_syscall && !t->point;
	if (on != a->log_on || a->log_lost) {
		words[1] = on ? CALLLOG_LIMIT : 0;
		err = tracee__write(t->tid, CALLLOG_ADDR + (on ? 0 : 8), &words[!on], on ? 16 : 8);
		if (err && err != -ESRCH && !on)
			recorder__fail(r, err, "switching off a log of calls");
		on = on && !err;
		a->log_on = on;
		a->log_lost = err != 0;
	}
	t->logged = on;
}

void logged__gone(struct recorder *r, const struct task *t)
{
	struct aspace *a = t->logged ? aspace__get(r, t->space) : NULL;

	if (a)
		a->log_lost = true;
}

static int write_call(struct recorder *r, struct task *t, const struct calllog_entry *e,
		      const void *out, uint64_t len, uint32_t arg)
{
	static uint8_t tail[sizeof(struct buf_ref) + PAD8(CALLLOG_OUT_MAX)];
	struct ev_syscall ev = {
		.nr = (uint32_t)e->nr,
		.flags = SYSCALL_LOGGED,
		.ret = e->ret,
		.entry_ns = t->stop_ns,
	};
	struct buf_ref *ref = (struct buf_ref *)tail;

	memcpy(ev.args, e->args, sizeof(ev.args));
	if (len) {
		*ref = (struct buf_ref){ .addr = e->args[arg], .len = (uint32_t)len, .arg = arg };
		memset(tail + sizeof(*ref), 0, PAD8(len));
		memcpy(tail + sizeof(*ref), out, len);
		ev.nbufs = 1;
		ev.bufs_len = (uint32_t)(sizeof(*ref) + PAD8(len));
	}
	t->exit_regs.orig_rax = ~0ull; /* user code has run since those */
	return emit(r, EV_SYSCALL, t, &ev, sizeof(ev), tail, ev.bufs_len);
}

/** The call at log_bytes[at] of `used`; *ret_n: the bytes that it takes, 0: it is none. */
static int write_entry(struct recorder *r, struct task *t, size_t at, size_t used, size_t *ret_n)
{
	struct calllog_entry e;
	uint32_t arg;
	uint64_t len;

	*ret_n = 0;
	if (used - at < sizeof(e))
		return 0;
	memcpy(&e, log_bytes + at, sizeof(e));
	len = calllog__output(&e, &arg);
	if (!calllog__entry((uint32_t)e.nr) || e.nr >> 32 || len > CALLLOG_OUT_MAX ||
	    PAD8(len) > used - at - sizeof(e))
		return 0;
	*ret_n = sizeof(e) + PAD8(len);
	return write_call(r, t, &e, log_bytes + at + sizeof(e), len, arg);
}

/** The program has written to bprec's memory. */
static int spoilt(struct recorder *r, struct task *t)
{
	struct aspace *a = aspace__get(r, t->space);
	const uint64_t off = 0;

	if (a)
		a->log = a->log_on = false;
	tracee__write(t->tid, CALLLOG_ADDR + 8, &off, sizeof(off));
	return emit__gap(r, GAP_UNRECORDED_CALL, CH_UNKNOWN, 0,
			 "pid %d has stored to memory of bprec's own: calls that it made without a "
			 "stop may be missing in the trace",
			 t->pid);
}

/** Reads the log up to its last entry. Bytes in use, or -errno; -EBADMSG: it is spoilt. */
static ssize_t read_log(struct task *t)
{
	const struct calllog_head *h = (const void *)log_bytes;
	ssize_t n = tracee__read(t->tid, CALLLOG_ADDR, log_bytes, PIECE);
	size_t used;

	if (n != PIECE)
		return n < 0 && n != -EFAULT ? n : -EBADMSG;
	used = h->next - CALLLOG_ADDR;
	if (h->next < CALLLOG_FIRST || used > CALLLOG_BYTES || used % 8)
		return -EBADMSG;
	if (used > PIECE)
		n = tracee__read(t->tid, CALLLOG_ADDR + PIECE, log_bytes + PIECE, used - PIECE);
	return n < 0 ? n : (ssize_t)used;
}

int logged__take(struct recorder *r, struct task *t)
{
	const uint64_t first = CALLLOG_FIRST;
	size_t at = sizeof(struct calllog_head), n = 1;
	ssize_t used;
	int err = 0;

	if (!t->logged)
		return 0;
	t->logged = false;
	used = read_log(t);
	if (used == -EBADMSG)
		return spoilt(r, t);
	if (used <= (ssize_t)at)
		return 0; /* nothing, or nobody is there any more */
	err = tracee__write(t->tid, CALLLOG_ADDR, &first, sizeof(first));
	if (err)
		return err;
	for (; at < (size_t)used && n && !err; at += n)
		err = write_entry(r, t, at, used, &n);
	return err || n ? err : spoilt(r, t);
}

/** It has made a call that the log doesn't show: that is written down here. */
static int finish(struct recorder *r, struct task *t, const struct calllog_entry *e,
		  struct regs64 *regs, uint64_t to)
{
	static uint8_t out[CALLLOG_OUT_MAX];
	uint32_t arg;
	const uint64_t len = calllog__output(e, &arg);
	int err;

	if (!calllog__entry((uint32_t)e->nr) || len > sizeof(out) ||
	    (len && tracee__read(t->tid, e->args[arg], out, len) != (ssize_t)len))
		return spoilt(r, t);
	err = write_call(r, t, e, out, len, arg);
	calllog__leave(regs, e, to);
	return err ? err : tracee__set_regs(t->tid, regs);
}

/** An interrupt must not be seen by the program: the call is made again (EINTR: by a file system in user space). */
static bool is_cut_off(int64_t ret)
{
	return ret == -EINTR || (ret <= -512 && ret >= -516); /* -ERESTART*, linux/errno.h */
}

/** The entry that a thread inside the code is about to finish. */
static int read_pending(struct task *t, const struct regs64 *regs, struct calllog_entry *ret)
{
	uint64_t next;

	if (tracee__read(t->tid, CALLLOG_ADDR, &next, sizeof(next)) != sizeof(next) ||
	    tracee__read(t->tid, next, ret, sizeof(*ret)) != sizeof(*ret))
		return -EBADMSG;
	ret->ret = (int64_t)regs->rax;
	return 0;
}

/** Where the thread is, as far as it has to be led on. */
static enum calllog_place place_of(const struct regs64 *regs, bool fresh)
{
	const enum calllog_place place = calllog__place(regs->rip);

	return place == CALLLOG_LOGGED && fresh
		       ? CALLLOG_OUTSIDE /* a call that stopped has just ended */
		       : place;
}

/** Makes the call again, where it stops. */
static int go_back(struct task *t, const struct calllog_entry *e, struct regs64 *regs)
{
	calllog__go_back(regs, e);
	return tracee__set_regs(t->tid, regs);
}

int logged__settle(struct recorder *r, struct task *t, struct regs64 *regs, bool fresh)
{
	const enum calllog_place place = place_of(regs, fresh);
	struct calllog_entry e = { 0 };
	uint64_t to = 0;
	int err, broken = 0;

	if (place == CALLLOG_MADE)
		broken = read_pending(t, regs, &e);
	if (place == CALLLOG_MADE || place == CALLLOG_LOGGED)
		broken |= tracee__read(t->tid, regs->rsp, &to, sizeof(to)) != sizeof(to);
	err = logged__take(r, t);
	if (err || broken)
		return err ? err : spoilt(r, t);
	switch (place) {
	case CALLLOG_BEFORE:
		return go_back(t, NULL, regs);
	case CALLLOG_MADE:
		return is_cut_off(e.ret) ? go_back(t, &e, regs) : finish(r, t, &e, regs, to);
	case CALLLOG_LOGGED:
		calllog__leave(regs, NULL, to);
		return tracee__set_regs(t->tid, regs);
	default:
		return 0;
	}
}
