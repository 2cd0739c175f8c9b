/* SPDX-License-Identifier: MIT */
/*
 * patch.c: cpuid, rdtsc and rdtscp give another answer in each run, so they are replaced by int3 in every private
 * executable mapping of a file, and carried out here, with the answer in the trace.
 *
 * What is patched isn't written down for each address space: a trap is ours if the model says that the byte before rip lies
 * in a private mapping of an object, at an offset where the object has a site. So fork, exec, munmap and mremap need nothing.
 * Sites are searched for once for each state of an object (size and times of change); former states are kept, as they may
 * still be mapped.
 *
 * A program that has written to its text has other bytes there: a site is patched only while its first byte is the file's.
 *
 * cpuid that has run before gets a jump instead, if it can, in what the kernel has mapped for a program that starts: to code that knows
 * the answers (tracee/cpuids.h). Of that nothing is moved to another address as a rule, and no thread is in the middle of it.
 */
#include "record/patch.h"

#include <cpuid.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <asm/unistd.h>
#include <utlist.h>
#include <x86intrin.h>

#include "model/regs.h"
#include "record/emit.h"
#include "record/logged.h"
#include "record/object.h"
#include "record/preempt.h"
#include "record/sched.h"
#include "tracee/calllog.h"
#include "tracee/cpuids.h"
#include "tracee/sites.h"
#include "tracee/tracee.h"

#define INT3	   0xcc
#define TRAP_INT3  0x80 /* SI_KERNEL: si_code of int3 (arch/x86/kernel/traps.c, exc_int3) */
#define ROUND(n)   (((n) + BPREC_PAGE_SIZE - 1) & ~(uint64_t)(BPREC_PAGE_SIZE - 1))
#define PAGE_OF(a) ((a) & ~(uint64_t)(BPREC_PAGE_SIZE - 1))

/** What is known of one state of an object. */
struct patched {
	uint32_t object;
	int64_t size;
	struct timespec mtime, ctime;
	bool shared_noted; /* a shared executable mapping of it was named */
	struct insn_sites sites;
	struct wrappers wrappers;
	struct patched *next;
};

/** What programs were told, each question once, in the order in which they came. */
static struct cpuid_answer told[64];
static size_t ntold;

/** Writes a note that ends up in `check -v`. */
static int note(struct recorder *r, struct task *t, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static int note(struct recorder *r, struct task *t, const char *fmt, ...)
{
	char text[4400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return emit__note(r, t, NOTE_TEXT, 0, text);
}

static const char *path_of(struct recorder *r, uint32_t object)
{
	const struct model_object *o = model__object(r->m, object);

	return o && *o->path ? o->path : "(no name)";
}

static int note_rest(struct recorder *r, struct task *t, const struct patched *p, int error)
{
	const char *path = path_of(r, p->object);
	int err = 0;

	if (error)
		err = note(r, t,
			   "%s: could not be searched for cpuid and rdtsc, which a replay may "
			   "find different: %s",
			   path, strerror(-error));
	if (!err && p->sites.random)
		err = note(r, t,
			   "%s: %zu rdrand, rdseed or rdpid in it, whose results are not recorded "
			   "(cpuid tells the program that there are none)",
			   path, p->sites.random);
	if (!err && r->tsc_fault && p->sites.undecided > p->sites.undecided_tsc)
		err = note(r, t, "%s: %zu places in it may be cpuid or rdrand; none is patched",
			   path, p->sites.undecided - p->sites.undecided_tsc);
	else if (!err && !r->tsc_fault && p->sites.undecided)
		err = note(r, t,
			   "%s: %zu places in it may be cpuid, rdtsc or rdrand; none is patched",
			   path, p->sites.undecided);
	return err;
}

static void find_wrappers(int fd, struct wrappers *ret)
{
	size_t n;
	const uint32_t *nr = calllog__numbers(&n);

	wrappers__find(fd, nr, n, ret);
}

/** A new state of an object: searches it. NULL: no memory. */
static struct patched *search(struct recorder *r, struct task *t, const struct object *o,
			      const struct stat *st)
{
	struct patched *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return NULL;
	p->object = o->id;
	p->size = st->st_size;
	p->mtime = st->st_mtim;
	p->ctime = st->st_ctim;
	err = o->fd < 0 ? -EBADF : insn_sites__find(o->fd, &p->sites);
	if (o->fd >= 0 && r->log_calls)
		find_wrappers(o->fd, &p->wrappers);
	LL_PREPEND(r->patched, p);
	note_rest(r, t, p, err);
	return p;
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/** The state that an object is in now. */
static struct patched *sites_of(struct recorder *r, struct task *t, uint32_t object)
{
	struct object *o = object__find(r, object);
	struct stat st = { 0 };

	if (!o || o->device)
		return NULL;
	if (o->fd >= 0)
		fstat(o->fd, &st);
	for (struct patched *p = r->patched; p; p = p->next)
		if (p->object == object && p->size == st.st_size &&
		    same_time(&p->mtime, &st.st_mtim) && same_time(&p->ctime, &st.st_ctim))
			return p;
	return search(r, t, o, &st);
}

/** Bytes that take the place of others. */
struct patch {
	uint64_t addr;
	size_t len;
	uint8_t bytes[INSN_WINDOW_MAX];
};

static int emit_patch(struct recorder *r, struct task *t, const struct patch *c)
{
	const struct ev_data ev = { .addr = c->addr, .len = c->len, .why = DATA_PATCH };

	return emit(r, EV_DATA, t, &ev, sizeof(ev), c->bytes, (c->len + 7) & ~(size_t)7);
}

/** What takes the place of a site at addr, where `room` bytes are known to be `now`. c->len 0: nothing. */
static void change_of(const struct insn_site *s, uint64_t addr, const uint8_t *now, size_t room,
		      struct cpuids *jumps, struct patch *c)
{
	*c = (struct patch){ .addr = addr };
	if (*now != s->first)
		return;
	c->len = 1;
	c->bytes[0] = INT3;
	if (jumps && s->window && s->window <= room && !memcmp(now, s->code, s->window) &&
	    cpuids__add(jumps, s, addr, c->bytes))
		c->len = s->window;
}

/** Patches the sites of one page, which begin at s and lie before file offset `end`. jumps: for cpuid, or NULL. *ret_n gets how many
 *  there are. */
static int patch_page(struct recorder *r, struct task *t, const struct model_vma *v,
		      const struct insn_site *s, size_t max, struct cpuids *jumps, size_t *ret_n)
{
	static struct patch todo[BPREC_PAGE_SIZE / 2];
	const uint64_t base = v->addr - v->offset, page = PAGE_OF(base + s->offset);
	uint8_t buf[BPREC_PAGE_SIZE];
	size_t n, ntodo = 0;
	ssize_t got;
	int err = 0;

	for (n = 1; n < max && PAGE_OF(base + s[n].offset) == page; n++)
		;
	*ret_n = n;
	got = tracee__read(t->tid, page, buf, sizeof(buf));
	for (size_t i = 0; i < n; i++) {
		const uint64_t at = base + s[i].offset - page;
		struct patch *c = &todo[ntodo];

		if ((ssize_t)at >= got)
			break; /* beyond the end of the file, or not readable: it can't be executed either */
		change_of(&s[i], page + at, &buf[at], (size_t)got - at, jumps, c);
		memcpy(&buf[at], c->bytes, c->len);
		ntodo += c->len != 0;
	}
	if (!ntodo)
		return 0;
	const struct patch *last = &todo[ntodo - 1];
	err = tracee__write(t->tid, todo[0].addr, &buf[todo[0].addr - page],
			    last->addr + last->len - todo[0].addr);
	if (err)
		return err == -ESRCH
			       ? err
			       : note(r, t, "%s: cpuid and rdtsc at %#llx could not be patched: %s",
				      path_of(r, v->object), (unsigned long long)todo[0].addr,
				      strerror(-err));
	for (size_t i = 0; i < ntodo && !err; i++)
		err = emit_patch(r, t, &todo[i]);
	return err;
}

/** Memory without a file: what a program generates there isn't searched. */
static int note_anon(struct recorder *r, struct task *t)
{
	struct aspace *a = aspace__get(r, t->space);

	if (!a || a->code_noted)
		return a ? 0 : -ENOMEM;
	a->code_noted = true;
	return note(r, t,
		    "pid %d: memory without a file is executable: %s in code that is generated "
		    "there %s not recorded",
		    t->pid, r->tsc_fault ? "cpuid" : "cpuid and rdtsc",
		    r->tsc_fault ? "is" : "are");
}

/** jumps: for cpuid, in what the kernel has mapped for a program that starts; NULL: none. */
static int patch_vma(struct recorder *r, struct task *t, const struct model_vma *v,
		     struct cpuids *jumps)
{
	struct patched *p;
	size_t n = 0;
	int err = 0;

	if (v->kind == MAP_KIND_BPREC || v->kind == MAP_KIND_SPECIAL)
		return 0;
	if (!v->object)
		return note_anon(r, t);
	p = sites_of(r, t, v->object);
	if (!p)
		return 0;
	if ((v->flags & MAP_TYPE) != MAP_PRIVATE) {
		if (p->shared_noted || !(p->sites.n + p->sites.undecided))
			return 0;
		p->shared_noted = true;
		return note(
			r, t,
			"%s: mapped executable and shared: %zu cpuid, rdtsc in it are not patched",
			path_of(r, v->object), p->sites.n);
	}
	if (jumps)
		cpuids__plan(object__find(r, v->object)->fd, &p->sites);
	for (size_t i = insn_sites__from(&p->sites, v->offset); i < p->sites.n && !err; i += n) {
		if (p->sites.v[i].offset - v->offset >= v->end - v->addr)
			break;
		size_t max = insn_sites__from(&p->sites, v->offset + (v->end - v->addr)) - i;

		err = patch_page(r, t, v, &p->sites.v[i], max, jumps, &n);
	}
	return err ? err : logged__patch(r, t, v, &p->wrappers);
}

static int patch_range(struct recorder *r, struct task *t, uint64_t addr, uint64_t end,
		       struct cpuids *jumps)
{
	const struct model_space *s;
	int err = 0;

	for (size_t i = 0; !err && (s = model__space(r->m, t->space)) && i < s->nvmas; i++) {
		struct model_vma v = s->vmas[i];

		if (!(v.prot & PROT_EXEC) || v.end <= addr || v.addr >= end)
			continue;
		if (v.addr < addr) {
			v.offset += addr - v.addr;
			v.addr = addr;
		}
		if (v.end > end)
			v.end = end;
		err = patch_vma(r, t, &v, jumps);
	}
	return err;
}

int patch__range(struct recorder *r, struct task *t, uint64_t addr, uint64_t len)
{
	return patch_range(r, t, addr, len > ~0ull - addr ? ~0ull : addr + len, NULL);
}

int patch__image(struct recorder *r, struct task *t)
{
	static struct cpuids jumps;
	struct ev_data ev = { .addr = CPUIDS_ADDR, .why = DATA_PATCH };
	int err;

	cpuids__begin(&jumps, told, ntold < CPUIDS_ANSWERS ? ntold : CPUIDS_ANSWERS);
	err = patch_range(r, t, 0, ~0ull, ntold ? &jumps : NULL);
	if (err || !jumps.places)
		return err;
	err = tracee__write(t->tid, CPUIDS_ADDR, jumps.bytes, jumps.used);
	if (err)
		return err;
	ev.len = jumps.used;
	return emit(r, EV_DATA, t, &ev, sizeof(ev), jumps.bytes, jumps.used);
}

int patch__call(struct recorder *r, struct task *t, int64_t ret)
{
	switch (t->nr) {
	case __NR_mmap:
		return t->args[2] & PROT_EXEC ? patch__range(r, t, ret, ROUND(t->args[1])) : 0;
	case __NR_mprotect:
	case __NR_pkey_mprotect:
		return t->args[2] & PROT_EXEC ? patch__range(r, t, t->args[0], ROUND(t->args[1]))
					      : 0;
	case __NR_mremap:
		return patch__range(r, t, ret, ROUND(t->args[2]));
	case __NR_shmat:
		return patch__range(r, t, ret, BPREC_PAGE_SIZE);
	default:
		return 0;
	}
}

/** The site whose int3 a thread with these registers has run into; NULL if none. */
static struct insn_site *site_before(struct recorder *r, const struct task *t, uint64_t rip)
{
	const struct model_space *s = model__space(r->m, t->space);
	const struct model_vma *v = s ? model__find_vma(s, rip - 1) : NULL;
	struct insn_site *at = NULL;

	if (!v || !v->object || (v->flags & MAP_TYPE) != MAP_PRIVATE)
		return NULL;
	for (struct patched *p = r->patched; p && !at; p = p->next)
		if (p->object == v->object)
			at = insn_sites__at(&p->sites, v->offset + (rip - 1 - v->addr));
	return at;
}

/** Has a thread with these registers asked for what isn't in the table of its program? */
static bool is_unanswered(struct recorder *r, const struct task *t, uint64_t rip)
{
	const struct model_space *s = model__space(r->m, t->space);
	const struct model_vma *v = s ? model__find_vma(s, rip - 1) : NULL;

	return rip == cpuids__trap() + 1 && v && v->kind == MAP_KIND_BPREC;
}

/** Does the answer depend on the processor one is on? The recorder may move to another. */
static bool is_of_processor(uint32_t leaf)
{
	return leaf == 1 || leaf == 0xb || leaf == 0x1a || leaf == 0x1f || leaf == 0x8000001e ||
	       leaf == 0x80000026;
}

/** What a program is told: not that there are instructions of chance that can't be recorded. The processor is asked the same thing
 *  once: under a hypervisor that takes as long as a stop. */
static struct cpuid_answer ask(uint32_t leaf, uint32_t sub)
{
	struct cpuid_answer now = { .leaf = leaf, .sub = sub };

	for (size_t i = 0; i < ntold; i++)
		if (told[i].leaf == leaf && told[i].sub == sub)
			return told[i];
	__cpuid_count(leaf, sub, now.a, now.b, now.c, now.d);
	if (leaf == 1)
		now.c &= ~bit_RDRND;
	if (leaf == 7 && !sub) {
		now.b &= ~(bit_RDSEED | bit_RTM | bit_HLE);
		now.c &= ~bit_RDPID;
	}
	if (!is_of_processor(leaf) && ntold < sizeof(told) / sizeof(*told))
		told[ntold++] = now;
	return now;
}

static void run_cpuid(struct ev_insn *ev)
{
	const struct cpuid_answer at = ask(ev->rax, ev->rcx);

	ev->rax = at.a;
	ev->rbx = at.b;
	ev->rcx = at.c;
	ev->rdx = at.d;
}

static void run_rdtsc(struct ev_insn *ev)
{
	unsigned int aux = 0;
	const uint64_t tsc = ev->kind == INSN_RDTSCP ? __rdtscp(&aux) : __rdtsc();

	ev->rax = (uint32_t)tsc;
	ev->rdx = tsc >> 32;
	if (ev->kind == INSN_RDTSCP)
		ev->rcx = aux;
}

/** Carries the instruction out in the thread's place. */
static int carry_out(struct recorder *r, struct task *t, uint8_t kind, uint8_t length,
		     uint64_t addr, struct regs64 *regs)
{
	struct ev_insn ev = {
		.kind = kind,
		.length = length,
		.addr = addr,
		.rax = regs->rax,
		.rbx = regs->rbx,
		.rcx = regs->rcx,
		.rdx = regs->rdx,
	};
	int err;

	if (ev.kind == INSN_CPUID)
		run_cpuid(&ev);
	else
		run_rdtsc(&ev);
	regs->rax = ev.rax;
	regs->rbx = ev.rbx;
	regs->rcx = ev.rcx;
	regs->rdx = ev.rdx;
	regs->rip = ev.addr + ev.length;
	err = preempt__mark(t, regs);
	if (err)
		return err;
	writer__reg_hash(r->w, regs64__hash(regs));
	err = emit(r, EV_INSN, t, &ev, sizeof(ev), NULL, 0);
	if (err)
		return err;
	t->stop = STOP_OTHER;
	sched__ready(r, t);
	return 1;
}

int patch__trap(struct recorder *r, struct task *t)
{
	struct insn_site *s;
	struct regs64 regs;
	int err;

	if (t->info.si_code != TRAP_INT3)
		return 0;
	err = tracee__get_regs(t->tid, &regs);
	if (err)
		return err;
	if (is_unanswered(r, t, regs.rip))
		return carry_out(r, t, INSN_CPUID, CPUIDS_TRAP_BYTES, regs.rip - 1, &regs);
	s = site_before(r, t, regs.rip);
	if (!s)
		return 0;
	s->trapped = true;
	return carry_out(r, t, s->kind, s->length, regs.rip - 1, &regs);
}

int patch__fault(struct recorder *r, struct task *t)
{
	uint8_t code[15], kind, length;
	struct regs64 regs;
	ssize_t n;
	int err;

	if (!r->tsc_fault || t->info.si_code != SI_KERNEL)
		return 0;
	err = tracee__get_regs(t->tid, &regs);
	if (err)
		return err;
	n = tracee__read(t->tid, regs.rip, code, sizeof(code));
	if (n <= 0 || !insn_sites__is_tsc(code, n, &kind, &length))
		return 0;
	return carry_out(r, t, kind, length, regs.rip, &regs);
}

bool patch__pending(struct recorder *r, struct task *t)
{
	struct regs64 regs;
	uint8_t byte;

	return !tracee__get_regs(t->tid, &regs) &&
	       (site_before(r, t, regs.rip) || is_unanswered(r, t, regs.rip)) &&
	       tracee__read(t->tid, regs.rip - 1, &byte, 1) == 1 && byte == INT3;
}

void patch__free(struct recorder *r)
{
	struct patched *p, *tmp;

	LL_FOREACH_SAFE (r->patched, p, tmp) {
		insn_sites__free(&p->sites);
		free(p);
	}
	r->patched = NULL;
}
