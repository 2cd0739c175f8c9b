/* SPDX-License-Identifier: MIT */
/* guard.c: a compiler that makes code while the program runs may write the very instructions that a patch is in, before it runs
 * them: the patch would be lost. So its pages are read-only meanwhile, and each store there is let through by itself. */
#include "replay/guard.h"

#include <sys/mman.h>
#include <sys/syscall.h>

#define PAGE 4096ull

int guard__open(struct guard *g, struct replay *rp, struct rtask *t, uint64_t addr, uint64_t len)
{
	const struct model_space *s = model__space(rp->m, t->space->id);
	const struct model_vma *v = s ? model__find_vma(s, addr) : NULL;

	*g = (struct guard){ 0 };
	if (!v || !(v->prot & PROT_WRITE))
		return 0;
	g->addr = addr & ~(PAGE - 1);
	g->len = ((addr + len - 1) & ~(PAGE - 1)) + PAGE - g->addr;
	if (g->len > v->end - g->addr)
		g->len = v->end - g->addr;
	g->prot = v->prot;
	return guard__set(g, rp, t, true);
}

bool guard__hit(const struct guard *g, const struct rtask *t)
{
	const uint64_t at = (uintptr_t)t->info.si_addr;

	/* a store that begins in the page before tells its first byte in the guarded one */
	return g->len && t->state == RTASK_FAULT && t->info.si_signo == SIGSEGV &&
	       t->info.si_code == SEGV_ACCERR && at - g->addr < g->len;
}

int guard__set(const struct guard *g, struct replay *rp, struct rtask *t, bool on)
{
	const uint64_t args[6] = { g->addr, g->len, on ? g->prot & ~PROT_WRITE : g->prot };
	int64_t got;
	int err;

	if (!g->len)
		return 0;
	t->dirty = true;
	err = stub__call(rp, t->real, SYS_mprotect, args, &got);
	if (!err && got)
		err = replay__fail(rp, (int)got, "mprotect of code failed");
	return err;
}
