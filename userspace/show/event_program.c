// SPDX-License-Identifier: MIT
/*
 * event_program.c: events about the program: its start, processes, system calls, signals, registers.
 *
 * As event_memory.c. A call is shown by its name and as many arguments as it has (sys/sys.h); one that the table doesn't
 * know, by its number and all six.
 */
#include "show/event.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "sys/sys.h"
#include "trace/reader.h"

#define PAD8(n) (((n) + 7ull) & ~7ull)

/** Text of value v in a list of n names; "?" if there is none. */
static const char *word(const char *const *names, size_t n, uint32_t v)
{
	return v < n && names[v] ? names[v] : "?";
}
#define WORD(names, v) word(names, sizeof(names) / sizeof(*(names)), v)

static const char *const ends[] = { NULL, "exited", "signaled", "failed", "left" };

static void decode_start(struct sink *s, const struct event_header *ev)
{
	const struct ev_start *e = (const void *)(ev + 1);
	const char *at = (const char *)(e + 1), *end = at + e->strings_len;

	s->ops->list(s, "argv");
	for (uint32_t i = 0; i < e->argc && at < end; i++, at += strlen(at) + 1)
		s->ops->text(s, NULL, at);
	s->ops->end(s);
	for (uint32_t i = 0; i < e->envc && at < end; i++)
		at += strlen(at) + 1;
	s->ops->text(s, "cwd", at < end ? at : NULL);
	s->ops->num(s, "envc", e->envc);
	s->ops->num(s, "observed", e->observed);
	s->ops->text(s, "release", e->release);
	s->ops->text(s, "version", e->version);
	s->ops->num(s, "uid", e->uid);
	s->ops->num(s, "gid", e->gid);
	s->ops->num(s, "ncpu", e->ncpu);
	s->ops->hex(s, "xcr0", e->xcr0);
	s->ops->num(s, "xsave_size", e->xsave_size);
	s->ops->num(s, "wall_ns", e->wall_ns);
}

static void decode_process(struct sink *s, const struct event_header *ev)
{
	static const char *const how[] = { NULL, "root", "fork", "vfork", "clone", "thread" };
	const struct ev_process *e = (const void *)(ev + 1);

	s->ops->text(s, "how", WORD(how, e->how));
	s->ops->num(s, "parent", e->parent_tid);
	s->ops->hex(s, "clone_flags", e->clone_flags);
	s->ops->num(s, "space", e->space);
	s->ops->num(s, "group", e->group);
}

static void decode_exec(struct sink *s, const struct event_header *ev)
{
	const struct ev_exec *e = (const void *)(ev + 1);

	s->ops->text(s, "path", (const char *)(e + 1) + e->auxv_len + e->xsave_len);
	s->ops->num(s, "space", e->space);
	s->ops->num(s, "former_tid", e->former_tid);
	s->ops->hex(s, "rip", e->regs.rip);
	s->ops->hex(s, "rsp", e->regs.rsp);
	s->ops->hex(s, "brk", e->brk);
	s->ops->num(s, "auxv_len", e->auxv_len);
	s->ops->num(s, "xsave_len", e->xsave_len);
}

static void decode_exit(struct sink *s, const struct event_header *ev)
{
	const struct ev_exit *e = (const void *)(ev + 1);

	s->ops->text(s, "kind", WORD(ends, e->kind));
	s->ops->snum(s, "code", e->code);
	if (e->clear_child_tid)
		s->ops->hex(s, "clear_child_tid", e->clear_child_tid);
}

static void call(struct sink *s, uint32_t nr, const uint64_t *args, const int64_t *ret)
{
	const struct sys_call *c = sys__lookup(nr);

	s->ops->call(s, nr, c ? c->name : NULL, args, c && c->nargs <= 6 ? c->nargs : 6, ret);
}

static void flag(struct sink *s, uint32_t flags, uint32_t bit, const char *name)
{
	if (flags & bit)
		s->ops->text(s, NULL, name);
}

static void decode_syscall(struct sink *s, const struct event_header *ev)
{
	const struct ev_syscall *e = (const void *)(ev + 1);
	const struct buf_ref *refs = (const void *)(e + 1);
	const char *bytes = (const char *)(refs + e->nbufs);

	call(s, e->nr, e->args, &e->ret);
	if (e->flags) {
		s->ops->list(s, "flags");
		flag(s, e->flags, SYSCALL_SUBSTITUTED, "substituted");
		flag(s, e->flags, SYSCALL_SCRATCH, "scratch");
		flag(s, e->flags, SYSCALL_INTERRUPTED, "interrupted");
		flag(s, e->flags, SYSCALL_NO_RETURN, "no-return");
		flag(s, e->flags, SYSCALL_PARTIAL, "partial");
		flag(s, e->flags, SYSCALL_LOGGED, "logged");
		s->ops->end(s);
	}
	if (s->o->verbose)
		s->ops->num(s, "entry_ns", e->entry_ns);
	if (!e->nbufs)
		return;
	s->ops->list(s, "buffers");
	for (uint32_t i = 0; i < e->nbufs; i++) {
		s->ops->item(s);
		s->ops->num(s, "arg", refs[i].arg);
		s->ops->hex(s, "addr", refs[i].addr);
		s->ops->num(s, "len", refs[i].len);
		s->ops->bytes(s, "bytes", bytes, refs[i].len);
		s->ops->end(s);
		bytes += PAD8(refs[i].len);
	}
	s->ops->end(s);
}

static void decode_enter(struct sink *s, const struct event_header *ev)
{
	const struct ev_syscall_enter *e = (const void *)(ev + 1);

	call(s, e->nr, e->args, NULL);
}

static void decode_data(struct sink *s, const struct event_header *ev)
{
	static const char *const why[] = { NULL, "syscall", "kernel", "patch" };
	const struct ev_data *e = (const void *)(ev + 1);

	s->ops->text(s, "why", WORD(why, e->why));
	s->ops->hex(s, "addr", e->addr);
	s->ops->num(s, "len", e->len);
	s->ops->bytes(s, "bytes", e + 1, e->len);
}

static void decode_signal(struct sink *s, const struct event_header *ev)
{
	static const char *const place[] = { NULL, "at-syscall", "sync", "preempt" };
	static const char *const action[] = {
		NULL, "handler", "ignored", "fatal", "stop", "default"
	};
	const struct ev_signal *e = (const void *)(ev + 1);
	const char *abbrev = sigabbrev_np((int)e->signo);
	char name[32];

	snprintf(name, sizeof(name), "SIG%s", abbrev ? abbrev : "?");
	s->ops->num(s, "signo", e->signo);
	s->ops->text(s, "signal", name);
	s->ops->text(s, "place", WORD(place, e->place));
	s->ops->text(s, "action", WORD(action, e->action));
	s->ops->hex(s, "rip", e->regs_before.rip);
	if (e->action == SIGNAL_HANDLER) {
		s->ops->hex(s, "handler", e->regs_after.rip);
		s->ops->num(s, "frame_len", e->frame_len);
	}
	if (s->o->verbose)
		s->ops->bytes(s, "siginfo", e->siginfo, sizeof(e->siginfo));
}

static void decode_regs(struct sink *s, const struct event_header *ev)
{
	static const char *const why[] = { NULL, "sigreturn", "preempt" };
	const struct ev_regs *e = (const void *)(ev + 1);

	s->ops->text(s, "why", WORD(why, e->why));
	s->ops->hex(s, "rip", e->regs.rip);
	s->ops->hex(s, "rsp", e->regs.rsp);
	s->ops->hex(s, "rax", e->regs.rax);
	s->ops->num(s, "xsave_len", e->xsave_len);
}

static void decode_note(struct sink *s, const struct event_header *ev)
{
	static const char *const kind[] = { NULL, "unknown-syscall", "refused", "32bit", "text" };
	const struct ev_note *e = (const void *)(ev + 1);
	const struct sys_call *c = sys__lookup(e->nr);

	s->ops->text(s, "kind", WORD(kind, e->kind));
	if (e->kind == NOTE_UNKNOWN_SYSCALL || e->kind == NOTE_REFUSED) {
		s->ops->num(s, "nr", e->nr);
		s->ops->text(s, "call", c ? c->name : NULL);
	}
	s->ops->text(s, "text", e->text_len ? (const char *)(e + 1) : "");
}

static void decode_insn(struct sink *s, const struct event_header *ev)
{
	static const char *const kind[] = { NULL, "cpuid", "rdtsc", "rdtscp" };
	const struct ev_insn *e = (const void *)(ev + 1);

	s->ops->text(s, "kind", WORD(kind, e->kind));
	s->ops->hex(s, "addr", e->addr);
	s->ops->num(s, "length", e->length);
	s->ops->hex(s, "rax", e->rax);
	s->ops->hex(s, "rbx", e->rbx);
	s->ops->hex(s, "rcx", e->rcx);
	s->ops->hex(s, "rdx", e->rdx);
}

static void decode_group(struct sink *s, const struct event_header *ev)
{
	const struct ev_group *e = (const void *)(ev + 1);

	s->ops->num(s, "from", e->from);
	s->ops->num(s, "into", e->into);
}

static void decode_output(struct sink *s, const struct event_header *ev)
{
	const struct ev_output *e = (const void *)(ev + 1);

	s->ops->num(s, "fd", e->fd);
	s->ops->num(s, "len", e->len);
	s->ops->bytes(s, "bytes", e + 1, e->len);
}

static void decode_end(struct sink *s, const struct event_header *ev)
{
	const struct ev_end *e = (const void *)(ev + 1);

	s->ops->text(s, "kind", WORD(ends, e->kind));
	s->ops->snum(s, "code", e->code);
}

static void decode_words(struct sink *s, const struct event_header *ev)
{
	const struct ev_words *e = (const void *)(ev + 1);
	const struct mem_word *w = (const void *)(e + 1);

	s->ops->list(s, "words");
	for (uint32_t i = 0; i < e->nwords; i++) {
		s->ops->item(s);
		s->ops->hex(s, "addr", w[i].addr);
		s->ops->hex(s, "value", w[i].value);
		s->ops->end(s);
	}
	s->ops->end(s);
}

static void decode_memhash(struct sink *s, const struct event_header *ev)
{
	const struct ev_memhash *e = (const void *)(ev + 1);
	const struct memhash_run *run = (const void *)(e + 1);
	const uint32_t *hash = (const void *)(run + e->nruns);

	if (e->flags) {
		s->ops->list(s, "flags");
		flag(s, e->flags, MEMHASH_PARTIAL, "partial");
		flag(s, e->flags, MEMHASH_POINT, "point");
		s->ops->end(s);
	}
	s->ops->num(s, "pages", e->npages);
	s->ops->num(s, "runs", e->nruns);
	s->ops->hex(s, "xstate_hash", e->xstate_hash);
	if (!s->o->verbose)
		return;
	s->ops->list(s, "hashes");
	for (uint32_t i = 0; i < e->nruns; i++) {
		s->ops->item(s);
		s->ops->hex(s, "addr", run[i].addr);
		s->ops->num(s, "npages", run[i].npages);
		s->ops->bytes(s, "bytes", hash, run[i].npages * sizeof(*hash));
		s->ops->end(s);
		hash += run[i].npages;
	}
	s->ops->end(s);
}

static void decode_limit(struct sink *s, const struct event_header *ev)
{
	const struct ev_limit *e = (const void *)(ev + 1);

	s->ops->num(s, "resource", e->resource);
	if (e->soft == UINT64_MAX)
		s->ops->text(s, "soft", "unlimited");
	else
		s->ops->num(s, "soft", e->soft);
}

event_decode_fn event__program(uint32_t type)
{
	static const event_decode_fn table[EV_MAX] = {
		[EV_START] = decode_start,     [EV_PROCESS] = decode_process,
		[EV_EXEC] = decode_exec,       [EV_EXIT] = decode_exit,
		[EV_SYSCALL] = decode_syscall, [EV_SYSCALL_ENTER] = decode_enter,
		[EV_DATA] = decode_data,       [EV_SIGNAL] = decode_signal,
		[EV_REGS] = decode_regs,       [EV_NOTE] = decode_note,
		[EV_GROUP] = decode_group,     [EV_OUTPUT] = decode_output,
		[EV_INSN] = decode_insn,       [EV_END] = decode_end,
		[EV_WORDS] = decode_words,     [EV_MEMHASH] = decode_memhash,
		[EV_LIMIT] = decode_limit,
	};

	return type < EV_MAX ? table[type] : NULL;
}
