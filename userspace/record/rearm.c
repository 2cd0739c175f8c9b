/* SPDX-License-Identifier: MIT */
/*
 * rearm.c: write faults in outsiders, turned on again.
 *
 * Writing 4 to /proc/PID/clear_refs clears the soft-dirty bits of a process and write-protects its pages, those of tmpfs too:
 * the next store to each of them faults, and KEV_FAULT tells of it; pagemap shows bit 55 afterwards
 * (Documentation/admin-guide/mm/soft-dirty.rst; needs CONFIG_MEM_SOFT_DIRTY, which Debian's kernels have). It takes the
 * outsider's mmap lock, walks all of its page tables, makes it slower, and disturbs others who use the bits of that process
 * (CRIU does): never without being asked for.
 */
#include "record/rearm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <utlist.h>

#include "record/emit.h"
#include "tracee/tracee.h"

static int clear_bits(pid_t pid)
{
	char path[64];
	int fd, err = 0;

	snprintf(path, sizeof(path), "/proc/%d/clear_refs", pid);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, "4", 1) != 1)
		err = -errno;
	close(fd);
	return err;
}

static int count(void *ctx, uint64_t addr, uint64_t n)
{
	(void)addr;
	*(uint64_t *)ctx += n;
	return 0;
}

/** Pages of [map, map + len) that are soft-dirty. */
static uint64_t stored(const volatile char *map, size_t len)
{
	uint64_t n = 0;

	tracee__stored_pages(getpid(), (uintptr_t)map, (uintptr_t)map + len, count, &n);
	return n;
}

/** Does a store set what was cleared, in a shared mapping of tmpfs? 0, or -errno for why not. */
static int try_out(void)
{
	const size_t len = 2 * BPREC_PAGE_SIZE;
	const int fd = memfd_create("bprec", MFD_CLOEXEC);
	volatile char *map;
	int err;

	if (fd < 0)
		return -errno;
	err = ftruncate(fd, (off_t)len) ? -errno : 0;
	map = err ? MAP_FAILED : mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (map == MAP_FAILED)
		return err ? err : -errno;
	map[0] = map[BPREC_PAGE_SIZE] = 1;
	err = clear_bits(getpid());
	if (!err && stored(map, len))
		err = -EOPNOTSUPP;
	map[0] = 2;
	if (!err && stored(map, len) != 1)
		err = -EOPNOTSUPP;
	munmap((void *)map, len);
	return err;
}

int rearm__start(struct recorder *r)
{
	char text[200];
	int err;

	if (r->opts->rearm != REARM_SOFT_DIRTY || !r->k)
		return 0;
	err = try_out();
	r->rearm = !err;
	if (!err)
		return emit__note(
			r, NULL, NOTE_TEXT, 0,
			"--rearm=soft-dirty: write faults are turned on again in outsiders that map what insiders map");
	snprintf(text, sizeof(text),
		 "--rearm=soft-dirty has no effect: this kernel can't do it (%s)", strerror(-err));
	recorder__warn(r, "%s", text);
	return emit__note(r, NULL, NOTE_TEXT, 0, text);
}

int rearm__process(struct recorder *r, pid_t pid, uint32_t writer)
{
	const int err = clear_bits(pid);
	struct outsider *w;
	char text[200];

	LL_SEARCH_SCALAR(r->outsiders, w, id, writer);
	if (!w || w->rearmed || err == -ENOENT || err == -ESRCH)
		return 0; /* told, or gone */
	w->rearmed = true;
	if (err)
		snprintf(text, sizeof(text), "--rearm=soft-dirty has no effect on pid %d (%s): %s",
			 pid, w->comm, strerror(-err));
	else
		snprintf(
			text, sizeof(text),
			"--rearm=soft-dirty: the pages of pid %d (%s) are write-protected again at each look",
			pid, w->comm);
	return emit__note(r, NULL, NOTE_TEXT, 0, text);
}
