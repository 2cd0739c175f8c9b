/* SPDX-License-Identifier: MIT */
/*
 * memory.c: the recorded address spaces, made again in the stubs.
 *
 * Mappings are made by calls in the stub at the recorded addresses. Bytes are written from outside (process_vm_writev);
 * where the program itself could not write, the protection is lifted for that moment; where its stack has not grown so far
 * yet, the kernel is made to grow it by a call that stores there.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "replay/state.h"
#include "tracee/tracee.h"
#include "util/err.h"

#define PAGE	     4096ull
#define PAGE_DOWN(a) ((a) & ~(PAGE - 1))
#define PAGE_UP(a)   PAGE_DOWN((a) + PAGE - 1)

ssize_t mem__read(struct rtask *t, uint64_t addr, void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		const size_t to_page = PAGE - (addr + done) % PAGE;
		const struct iovec local = { (char *)buf + done, len - done };
		const struct iovec remote = { (void *)(addr + done), len - done };
		ssize_t n = process_vm_readv(t->real, &local, 1, &remote, 1, 0);

		if (n <= 0 && to_page < len - done) { /* a bad page behind a good one */
			const struct iovec l1 = { (char *)buf + done, to_page };
			const struct iovec r1 = { (void *)(addr + done), to_page };

			n = process_vm_readv(t->real, &l1, 1, &r1, 1, 0);
		}
		if (n <= 0)
			return done ? (ssize_t)done : -EFAULT;
		done += n;
	}
	return done;
}

/** Writes what can be written as it is; bytes done. */
static size_t write_plain(struct rtask *t, uint64_t addr, const void *buf, size_t len)
{
	const struct iovec local = { (void *)buf, len };
	const struct iovec remote = { (void *)addr, len };
	ssize_t n = process_vm_writev(t->real, &local, 1, &remote, 1, 0);

	return n > 0 ? n : 0;
}

/** A call in the thread's stub that must succeed. */
static int call(struct replay *rp, struct rtask *t, const char *what, long nr, uint64_t a,
		uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f, int64_t *ret)
{
	const uint64_t args[6] = { a, b, c, d, e, f };
	int64_t result;
	int err = stub__call(rp, t->real, nr, args, &result);

	t->dirty = true;
	if (err)
		return err;
	if (result < 0 && result > -4096)
		return replay__fail(rp, (int)result, "%s at %#llx: %s", what, (unsigned long long)a,
				    strerror((int)-result));
	if (ret)
		*ret = result;
	return 0;
}

/** Writes one page's bytes where the program may not write, or has no page yet. */
static int write_hard(struct replay *rp, struct rtask *t, uint64_t addr, const void *buf,
		      size_t len)
{
	const struct model_space *s = model__space(rp->m, t->space->id);
	const struct model_vma *v = s ? model__find_vma(s, addr) : NULL;
	const uint64_t page = PAGE_DOWN(addr);
	int64_t ignored;
	int err;

	if (!v || (v->prot & PROT_WRITE)) { /* below the stack: a call that stores 8 bytes there */
		const uint64_t args[6] = { SIG_BLOCK, 0, page, 8 };

		t->dirty = true;
		err = stub__call(rp, t->real, SYS_rt_sigprocmask, args, &ignored);
		if (err)
			return err;
		return write_plain(t, addr, buf, len) == len ? 0 : -EFAULT;
	}
	err = call(rp, t, "mprotect", SYS_mprotect, page, PAGE, v->prot | PROT_WRITE, 0, 0, 0,
		   NULL);
	if (err)
		return err;
	if (write_plain(t, addr, buf, len) != len)
		return -EFAULT;
	return call(rp, t, "mprotect", SYS_mprotect, page, PAGE, v->prot, 0, 0, 0, NULL);
}

int mem__write(struct replay *rp, struct rtask *t, uint64_t addr, const void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		size_t n = write_plain(t, addr + done, (const char *)buf + done, len - done);
		int err;

		if (!n) {
			n = PAGE - (addr + done) % PAGE;
			n = n < len - done ? n : len - done;
			err = write_hard(rp, t, addr + done, (const char *)buf + done, n);
			if (err == -EFAULT)
				return replay__fail(rp, -REPLAY_E_CANT,
						    "%zu bytes at %#llx could not be written", n,
						    (unsigned long long)(addr + done));
			if (err)
				return err;
		}
		done += n;
	}
	return 0;
}

static int on_map(struct replay *rp, struct rtask *t, const struct ev_map *m)
{
	uint64_t flags = MAP_FIXED | MAP_NORESERVE;
	uint64_t fd = ~0ull, offset = 0;
	int err;

	if (m->object && robject__fd(rp, m->object) >= 0) {
		fd = robject__fd(rp, m->object);
		offset = m->offset;
		flags |= (m->flags & MAP_TYPE) == MAP_PRIVATE ? MAP_PRIVATE : MAP_SHARED;
		err = flags & MAP_SHARED ? robject__share(rp, m->object) : 0;
		if (err)
			return err;
	} else {
		flags |= MAP_PRIVATE | MAP_ANONYMOUS;
		if (m->kind == MAP_KIND_STACK || (m->flags & MAP_GROWSDOWN))
			flags |= MAP_GROWSDOWN;
	}
	return call(rp, t, "mmap", SYS_mmap, m->addr, m->len, m->prot, flags, fd, offset, NULL);
}

/** Leaves the stub's own page where it is. */
static int on_unmap(struct replay *rp, struct rtask *t, uint64_t addr, uint64_t len)
{
	const uint64_t end = addr + len;
	int err;

	if (addr <= STUB_PAGE && end > STUB_PAGE) {
		err = addr < STUB_PAGE ? on_unmap(rp, t, addr, STUB_PAGE - addr) : 0;
		addr = STUB_PAGE + PAGE;
		if (err || addr >= end)
			return err;
	}
	if (end > 0x7ffffffff000ull)
		return on_unmap(rp, t, addr, 0x7ffffffff000ull - addr);
	return call(rp, t, "munmap", SYS_munmap, addr, end - addr, 0, 0, 0, 0, NULL);
}

static int on_remap(struct replay *rp, struct rtask *t, const struct ev_remap *m)
{
	uint64_t flags = m->flags & ~(uint64_t)MREMAP_FIXED;
	int64_t ret;
	int err;

	if (m->new_addr != m->old_addr)
		flags |= MREMAP_MAYMOVE | MREMAP_FIXED;
	err = call(rp, t, "mremap", SYS_mremap, m->old_addr, m->old_len, m->new_len, flags,
		   m->new_addr, 0, &ret);
	if (!err && (uint64_t)ret != m->new_addr)
		err = replay__fail(rp, -REPLAY_E_CANT, "mremap went to %#llx instead of %#llx",
				   (unsigned long long)ret, (unsigned long long)m->new_addr);
	return err;
}

static int write_run(struct replay *rp, struct rtask *t, uint64_t addr, const struct page_run *r)
{
	uint8_t page[PAGE];
	int err = 0;

	for (uint32_t i = 0; i < r->count && !err; i++) {
		const uint64_t id = r->first + (uint64_t)r->step * i;

		err = reader__page(rp->rd, id, page);
		if (err == -ENODATA) { /* ABSENT, LOST: nothing to put there */
			err = 0;
			continue;
		}
		if (!err)
			err = mem__write(rp, t, addr + i * PAGE, page, PAGE);
	}
	return err;
}

static int on_mem(struct replay *rp, struct rtask *t, const struct ev_mem *m)
{
	const struct page_run *r = (const void *)(m + 1);
	uint64_t addr = m->addr;
	int err = 0;

	for (uint32_t i = 0; i < m->nruns && !err; i++) {
		err = write_run(rp, t, addr, &r[i]);
		addr += r[i].count * PAGE;
	}
	return err;
}

int mem__event(struct replay *rp, struct rtask *t, const struct event_header *ev)
{
	const void *body = ev + 1;
	const struct ev_unmap *u = body;
	const struct ev_protect *p = body;

	switch (ev->type) {
	case EV_MAP:
		return on_map(rp, t, body);
	case EV_UNMAP:
		return on_unmap(rp, t, u->addr, u->len);
	case EV_PROTECT:
		return call(rp, t, "mprotect", SYS_mprotect, p->addr, p->len, p->prot, 0, 0, 0,
			    NULL);
	case EV_REMAP:
		return on_remap(rp, t, body);
	default:
		return on_mem(rp, t, body);
	}
}
