/* SPDX-License-Identifier: MIT */
/*
 * match.c: a comparer (tracee/comparer.h) at work in a stub process.
 *
 * It lies in pages of bprec's own near the point, which are there only while the point is looked for: no event happens
 * meanwhile, so the program maps nothing. A jump to it is put over the instructions at the point: in shared memory by writing
 * to its file, if no other share group maps it; in private mappings by PTRACE_POKETEXT, which makes a copy of the page; afterwards the bytes are put back, and the copy is dropped
 * again if it holds what the mapped file holds: a page that was nobody's copy sees later changes of the file.
 */
#include "replay/match.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/err.h"

#define PAGE	   4096ull
#define CODE_PAGES 3 /* COMPARER_MAX from any place in the first page on */
#define AREA	   ((CODE_PAGES + 1) * PAGE)
#define STACK_ROOM (64ull << 20) /* below a mapping that grows down: left free */

static const struct model_vma *find_vma(struct replay *rp, struct rtask *t, uint64_t addr)
{
	const struct model_space *s = model__space(rp->m, t->space->id);

	return s ? model__find_vma(s, addr) : NULL;
}

static bool is_private(const struct model_vma *v)
{
	return (v->flags & MAP_TYPE) == MAP_PRIVATE;
}

/** Into the memory that is shared: the mapping may be read-only. 1: it isn't such. */
static int poke_shared(struct replay *rp, const struct model_vma *v, uint64_t addr,
		       const void *bytes, size_t len)
{
	const int fd = v && !is_private(v) ? robject__fd(rp, v->object) : -1;

	if (fd < 0 || addr + len > v->end)
		return 1;
	if (pwrite(fd, bytes, len, (off_t)(v->offset + (addr - v->addr))) != (ssize_t)len)
		return replay__fail(rp, -EIO, "writing to shared code: %s", strerror(errno));
	return 0;
}

int match__poke(struct replay *rp, struct rtask *t, uint64_t addr, const void *bytes, size_t len)
{
	/* a word that holds the bytes, within their page or ending where they end */
	const uint64_t at = addr % PAGE + 8 <= PAGE ? addr : addr + len - 8;
	uint8_t word[8];
	const int shared = poke_shared(rp, find_vma(rp, t, addr), addr, bytes, len);
	long old;

	if (shared <= 0)
		return shared;
	errno = 0;
	old = ptrace(PTRACE_PEEKTEXT, t->real, at, 0);
	if (errno)
		return mem__write(rp, t, addr, bytes, len);
	memcpy(word, &old, sizeof(word));
	memcpy(word + (addr - at), bytes, len);
	memcpy(&old, word, sizeof(old));
	if (ptrace(PTRACE_POKETEXT, t->real, at, old))
		return mem__write(rp, t, addr, bytes, len);
	return 0;
}

/** Nothing of the program's is there, nor will its stack grow there. */
static bool is_free(struct replay *rp, struct rtask *t, uint64_t start)
{
	const struct model_space *s = model__space(rp->m, t->space->id);

	if (!s || (start < STUB_PAGE + PAGE && start + AREA > STUB_PAGE))
		return false;
	for (size_t i = 0; i < s->nvmas; i++) {
		const struct model_vma *v = &s->vmas[i];
		const bool grows = v->kind == MAP_KIND_STACK || (v->flags & MAP_GROWSDOWN);
		const uint64_t room = grows ? STACK_ROOM : PAGE;

		if (start < v->end + PAGE && start + AREA + room > v->addr)
			return false;
	}
	return true;
}

static int map_area(struct replay *rp, struct rtask *t, uint64_t start)
{
	const uint64_t args[6] = { start,
				   AREA,
				   PROT_READ | PROT_WRITE | PROT_EXEC,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
				   ~0ull,
				   0 };
	int64_t got;
	int err = stub__call(rp, t->real, SYS_mmap, args, &got);

	t->dirty = true;
	if (err)
		return err;
	return (uint64_t)got == start ? 0 : -ENOTSUP;
}

struct others {
	struct replay *rp;
	uint32_t group; /* of the thread whose point it is */
};

static int is_other_group(void *ctx, const struct model_task *task)
{
	const struct others *o = ctx;

	return model__group(o->rp->m, task->group) != o->group;
}

static int is_of_others(void *ctx, const struct model_space *s, const struct model_vma *v)
{
	struct others *o = ctx;

	(void)v;
	return model__each_task_of(o->rp->m, s->id, is_other_group, o);
}

/** All code bytes are there, and nobody runs them at the same time: threads of other share groups may run. */
static bool can_patch(struct replay *rp, struct rtask *t, uint64_t point)
{
	const struct model_vma *v = find_vma(rp, t, point);
	const struct model_task *task = model__task(rp->m, t->tid);
	struct others o = { .rp = rp };

	if (!v || !task || v->end - point < RELOCATE_JUMP)
		return false;
	if (is_private(v))
		return true;
	o.group = model__group(rp->m, task->group);
	return !model__each_mapper(rp->m, v->object, 0, ~0ull, is_of_others, &o);
}

int match__open(struct match *m, struct replay *rp, struct rtask *t, uint64_t point)
{
	ssize_t n;
	int err = -ENOTSUP;

	memset(m, 0, offsetof(struct match, c.code));
	m->rp = rp;
	m->t = t;
	m->c.point = point;
	n = mem__read(t, point, m->original, sizeof(m->original));
	if (n < RELOCATE_JUMP || !can_patch(rp, t, point))
		return -ENOTSUP;
	m->len = n;
	for (unsigned i = 0; err == -ENOTSUP && comparer__candidate(point, i, &m->c.at); i++)
		if (is_free(rp, t, m->c.at & ~(PAGE - 1)))
			err = map_area(rp, t, m->c.at & ~(PAGE - 1));
	if (err)
		return err;
	m->area = m->c.at & ~(PAGE - 1);
	m->c.slots = m->area + CODE_PAGES * PAGE;
	return 0;
}

int match__build(struct match *m, const struct comparer_term *terms, size_t n)
{
	int err = comparer__build(&m->c, m->original, m->len, terms, n);

	return err ? -ENOTSUP : mem__write(m->rp, m->t, m->c.at, m->c.code, m->c.len);
}

int match__arm(struct match *m)
{
	uint8_t jump[RELOCATE_JUMP];
	int err = m->armed ? 0 : comparer__jump(&m->c, jump);

	if (!err && !m->armed)
		err = match__poke(m->rp, m->t, m->c.point, jump, sizeof(jump));
	m->armed |= !err;
	return err;
}

int match__disarm(struct match *m)
{
	int err = m->armed ? match__poke(m->rp, m->t, m->c.point, m->original, RELOCATE_JUMP) : 0;

	m->armed = false;
	return err;
}

bool match__stale(const struct match *m)
{
	const size_t used = m->c.plan.len > RELOCATE_JUMP ? m->c.plan.len : RELOCATE_JUMP;
	uint8_t now[sizeof(m->original)];

	return mem__read(m->t, m->c.point, now, used) != (ssize_t)used ||
	       memcmp(now, m->original, used);
}

int match__reload(struct match *m)
{
	ssize_t n;

	match__judge(m);
	n = mem__read(m->t, m->c.point, m->original, sizeof(m->original));
	m->len = n > 0 ? n : 0;
	if (n >= RELOCATE_JUMP)
		return 0;
	return replay__differs(m->rp, "there is no code at the preemption point %#llx any more",
			       (unsigned long long)m->c.point);
}

int match__enter(struct match *m)
{
	int err = match__arm(m);

	m->t->regs.rip = m->c.at + m->c.moved;
	m->t->dirty = true;
	m->t->state = RTASK_READY;
	return err;
}

enum match_stop match__judge(struct match *m)
{
	struct rtask *t = m->t;
	uint64_t slots[3] = { 0 };
	const uint64_t rip = t->regs.rip;

	mem__read(t, m->c.slots, slots, sizeof(slots));
	t->dirty = true;
	switch (comparer__restore(&m->c, slots, &t->regs)) {
	case COMPARER_HIT:
		return t->state == RTASK_TRAP ? MATCH_HIT : MATCH_OTHER;
	case COMPARER_LEAVE:
		return t->state == RTASK_TRAP ? MATCH_AWAY : MATCH_OTHER;
	case COMPARER_INSIDE:
		if ((uint64_t)(uintptr_t)t->info.si_addr == rip)
			t->info.si_addr = (void *)(uintptr_t)t->regs.rip;
		return MATCH_OTHER;
	default:
		break;
	}
	if (t->state == RTASK_TRAP)
		t->regs.rip--;
	if (t->state != RTASK_IN_CALL && match__in_jump(m))
		return MATCH_AWAY;
	if (t->state == RTASK_TRAP)
		t->regs.rip++;
	return MATCH_OTHER;
}

bool match__in_jump(const struct match *m)
{
	const uint64_t offset = m->t->regs.rip - m->c.point;

	return offset > 0 && offset < RELOCATE_JUMP;
}

/** The copy of a file's page that the poke has made: gone, if it holds what the file holds. */
static int drop_copy(struct replay *rp, struct rtask *t, uint64_t page)
{
	const struct model_vma *v = find_vma(rp, t, page);
	const int fd = v && v->object && is_private(v) ? robject__fd(rp, v->object) : -1;
	const uint64_t args[6] = { page, PAGE, MADV_DONTNEED };
	uint8_t mine[PAGE], files[PAGE];
	int64_t ignored;

	if (fd < 0 || mem__read(t, page, mine, PAGE) != (ssize_t)PAGE ||
	    pread(fd, files, PAGE, (off_t)(v->offset + (page - v->addr))) != (ssize_t)PAGE ||
	    memcmp(mine, files, PAGE))
		return 0;
	t->dirty = true;
	return stub__call(rp, t->real, SYS_madvise, args, &ignored);
}

int match__drop_copies(struct replay *rp, struct rtask *t, uint64_t point, size_t len)
{
	const uint64_t first = point & ~(PAGE - 1), last = (point + len - 1) & ~(PAGE - 1);
	int err = drop_copy(rp, t, first);

	return err || first == last ? err : drop_copy(rp, t, last);
}

int match__close(struct match *m)
{
	const uint64_t args[6] = { m->area, AREA };
	int64_t ignored;
	int err = match__disarm(m);

	if (err || !m->area)
		return err;
	m->t->dirty = true;
	return stub__call(m->rp, m->t->real, SYS_munmap, args, &ignored);
}
