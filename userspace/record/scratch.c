/* SPDX-License-Identifier: MIT */
/*
 * scratch.c: a call that may wait writes into an area of its own, mapped into the tracee once per thread.
 *
 * At the entry, what the call reads is copied there and its registers point there; at the exit, what it wrote is copied
 * where the program wanted it, and registers are as they were. A call whose outputs are too long, or go where the program
 * couldn't store, isn't redirected: the kernel has to find out about bad addresses by itself, and the thread keeps its
 * group's token.
 */
#include "record/scratch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <asm/unistd.h>

#include "record/emit.h"
#include "record/outputs.h"
#include "record/sched.h"
#include "tracee/tracee.h"

#define SCRATCH_MIN   (64u << 10)
#define SCRATCH_MAX   (1u << 20) /* longer outputs hold the group instead */
#define ROUND_PAGE(n) (((n) + BPREC_PAGE_SIZE - 1) & ~(uint64_t)(BPREC_PAGE_SIZE - 1))

/** Maps a scratch area of at least len bytes into the tracee. 0 or -errno. */
static int map_area(struct recorder *r, struct task *t, uint64_t len)
{
	struct aspace *s = aspace__get(r, t->space);
	uint64_t size = ROUND_PAGE(len < SCRATCH_MIN ? SCRATCH_MIN : len);
	uint64_t args[6] = { 0,
			     size,
			     PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
			     ~0ull,
			     0 };
	struct ev_map ev = { .len = size,
			     .prot = PROT_READ | PROT_WRITE,
			     .flags = MAP_PRIVATE | MAP_ANONYMOUS,
			     .kind = MAP_KIND_BPREC };
	int64_t ret;
	int err;

	if (!s)
		return -ENOMEM;
	if (!s->next_scratch)
		s->next_scratch = TRACEE_SCRATCH_ADDR;
	args[0] = s->next_scratch;
	err = tracee__inject_at_entry(t->tid, __NR_mmap, args, &ret);
	if (err)
		return err;
	if (ret != (int64_t)args[0])
		return ret < 0 ? (int)ret : -ENOMEM;
	s->next_scratch += size;
	t->scratch = args[0];
	t->scratch_len = size;
	ev.addr = args[0];
	return emit(r, EV_MAP, t, &ev, sizeof(ev), NULL, 0);
}

/** Copies what the call reads into the scratch area, and points the call there. */
static int redirect(struct task *t, struct regs64 *regs)
{
	uint64_t *reg[6] = { &regs->rdi, &regs->rsi, &regs->rdx, &regs->r10, &regs->r8, &regs->r9 };
	static uint8_t area[SCRATCH_MAX];
	const struct sys_scratch *p = t->plan;

	memset(area, 0, p->bytes);
	for (uint32_t i = 0; i < p->npieces; i++) {
		const struct sys_piece *pc = &p->piece[i];

		if ((pc->dir & SYS_READS) &&
		    tracee__read(t->tid, pc->addr, area + pc->offset, pc->len) != (ssize_t)pc->len)
			return -EFAULT;
	}
	for (uint32_t i = 0; i < p->nfixups; i++) {
		const struct sys_fixup *f = &p->fixup[i];
		const uint64_t to = t->scratch + f->target;

		if (f->in_arg)
			*reg[f->arg] = to;
		else
			memcpy(area + f->at, &to, sizeof(to));
	}
	if (tracee__write(t->tid, t->scratch, area, p->bytes))
		return -EFAULT;
	return tracee__set_regs(t->tid, regs);
}

/** Could the program store to all of [addr, addr + len)? Where it couldn't, the kernel must find out by itself. */
static bool is_writable(struct recorder *r, const struct task *t, uint64_t addr, uint64_t len)
{
	const struct model_space *s = model__space(r->m, t->space);
	const uint64_t end = addr + len;

	while (addr < end) {
		const struct model_vma *v = s ? model__find_vma(s, addr) : NULL;

		if (!v || !(v->prot & PROT_WRITE))
			return false;
		addr = v->end;
	}
	return true;
}

static bool plan_fits(struct recorder *r, const struct task *t)
{
	if (t->plan->bytes > SCRATCH_MAX)
		return false;
	for (uint32_t i = 0; i < t->plan->npieces; i++) {
		const struct sys_piece *p = &t->plan->piece[i];

		if ((p->dir & SYS_WRITES) && !is_writable(r, t, p->addr, p->len))
			return false;
	}
	return true;
}

/** No redirection: the thread keeps the token while it is in the call. */
static int hold_group(struct task *t, bool *may_wait)
{
	free(t->plan);
	t->plan = NULL;
	*may_wait = false;
	return 0;
}

int scratch__set_up(struct recorder *r, struct task *t, struct regs64 *regs, bool *may_wait)
{
	const struct sys_invocation in = outputs__invocation(t, 0);
	const struct regs64 saved = *regs;
	int n, err = 0;

	if (sched__alone(t))
		return 0;
	t->plan = malloc(sizeof(*t->plan));
	if (!t->plan)
		return -ENOMEM;
	n = sys__scratch(&in, t->plan);
	if (n == 0) {
		free(t->plan);
		t->plan = NULL;
		return 0;
	}
	if (n < 0 || !plan_fits(r, t))
		return hold_group(t, may_wait);
	if (t->scratch_len < t->plan->bytes) /* its own filter may not allow a mmap */
		err = t->by_syscall ? -EPERM : map_area(r, t, t->plan->bytes);
	if (!err)
		err = redirect(t, regs);
	if (err == -ESRCH || r->err)
		return err;
	if (err) {
		*regs = saved;
		return hold_group(t, may_wait);
	}
	return 0;
}

int scratch__restore(struct task *t, struct regs64 *regs)
{
	regs->rdi = t->args[0];
	regs->rsi = t->args[1];
	regs->rdx = t->args[2];
	regs->r10 = t->args[3];
	regs->r8 = t->args[4];
	regs->r9 = t->args[5];
	return tracee__set_regs(t->tid, regs);
}
