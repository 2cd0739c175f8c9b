/* SPDX-License-Identifier: MIT */
/*
 * pagemap.c: which pages of a mapping are private copies.
 *
 * /proc/PID/pagemap has one word for each page. Big ranges are mostly holes (a reservation of a terabyte is a gigabyte of words),
 * so there ioctl PAGEMAP_SCAN (Linux 6.7) is asked for the populated ones first and only those are looked at; where it doesn't
 * exist, all words are read. The flag bits are there without privileges, only frame numbers are hidden
 * (Documentation/admin-guide/mm/pagemap.rst).
 */
#include "tracee/tracee.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PAGE ((uint64_t)BPREC_PAGE_SIZE)

#define PM_PRESENT (1ull << 63)
#define PM_SWAPPED (1ull << 62)
#define PM_FILE	   (1ull << 61) /* of a file, or shared anonymous */
#define PM_GUARD   (1ull << 58) /* guard region: nothing there (Linux 6.15) */
#define PM_STORED  (1ull << 55) /* soft-dirty */

#define CHUNK	   4096u  /* words read at a time */
#define SCAN_ABOVE 32768u /* pages from which on PAGEMAP_SCAN pays */
#define SCAN_VEC   256u

/* include/uapi/linux/fs.h of Linux 6.7; Debian 12's is older. */
struct page_region {
	uint64_t start, end, categories;
};
struct pm_scan_arg {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
#define PAGEMAP_SCAN_IOCTL _IOWR('f', 16, struct pm_scan_arg)
#define SCAN_PRESENT	   (1ull << 3)
#define SCAN_SWAPPED	   (1ull << 4)

/* A walk, with the run of private pages under way. */
struct walk {
	int fd;
	int (*fn)(void *ctx, uint64_t addr, uint64_t n);
	void *ctx;
	uint64_t run, npages; /* start address and length of the run */
	bool shared;	      /* pages of files and shared memory too */
	uint64_t need;	      /* bits that a wanted page has, beside being there */
};

static int end_run(struct walk *w)
{
	uint64_t n = w->npages;

	w->npages = 0;
	return n ? w->fn(w->ctx, w->run, n) : 0;
}

static int add_page(struct walk *w, uint64_t addr)
{
	if (w->npages && w->run + w->npages * PAGE != addr) {
		int err = end_run(w);
		if (err)
			return err;
	}
	if (!w->npages++)
		w->run = addr;
	return 0;
}

static bool is_wanted(const struct walk *w, uint64_t word)
{
	const uint64_t not = w->shared ? PM_GUARD : PM_FILE | PM_GUARD;

	return (word & (PM_PRESENT | PM_SWAPPED)) && !(word & not ) && (word & w->need) == w->need;
}

/* Reads the words of [addr, end). */
static int walk_words(struct walk *w, uint64_t addr, uint64_t end)
{
	uint64_t words[CHUNK];

	while (addr < end) {
		uint64_t want = (end - addr) / PAGE;
		if (want > CHUNK)
			want = CHUNK;
		ssize_t n = pread(w->fd, words, want * 8, (off_t)(addr / PAGE * 8));
		if (n < 0)
			return -errno;
		if (n < 8)
			return 0; /* end of the address space, or it is gone */
		for (uint64_t i = 0; i < (uint64_t)n / 8; i++) {
			int err = is_wanted(w, words[i]) ? add_page(w, addr + i * PAGE) : 0;
			if (err)
				return err;
		}
		addr += (uint64_t)n / 8 * PAGE;
	}
	return 0;
}

/* Asks for populated ranges and reads their words. -ENOTTY: this kernel can't. */
static int walk_scan(struct walk *w, uint64_t addr, uint64_t end)
{
	struct page_region vec[SCAN_VEC];
	struct pm_scan_arg a = { .size = sizeof(a),
				 .start = addr,
				 .end = end,
				 .vec = (uint64_t)(uintptr_t)vec,
				 .vec_len = SCAN_VEC,
				 .category_anyof_mask = SCAN_PRESENT | SCAN_SWAPPED,
				 .return_mask = SCAN_PRESENT };

	while (a.start < end) {
		int n = ioctl(w->fd, PAGEMAP_SCAN_IOCTL, &a);
		if (n < 0)
			return -errno;
		for (int i = 0; i < n; i++) {
			int err = walk_words(w, vec[i].start, vec[i].end);
			if (err)
				return err;
		}
		if (a.walk_end <= a.start)
			break;
		a.start = a.walk_end;
	}
	return 0;
}

int tracee__pagemap(pid_t pid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 ? fd : errno == ENOENT ? -ESRCH : -errno;
}

int tracee__pages_in(int pagemap, enum tracee_pages which, uint64_t addr, uint64_t end,
		     int (*fn)(void *ctx, uint64_t addr, uint64_t n), void *ctx)
{
	struct walk w = { .fd = pagemap,
			  .fn = fn,
			  .ctx = ctx,
			  .shared = which != TRACEE_PAGES_PRIVATE,
			  .need = which == TRACEE_PAGES_STORED ? PM_STORED : 0 };
	int err = -ENOTTY;

	if ((end - addr) / PAGE > SCAN_ABOVE)
		err = walk_scan(&w, addr, end);
	if (err == -ENOTTY)
		err = walk_words(&w, addr, end);
	return err ? err : end_run(&w);
}

static int walk_pages(pid_t pid, enum tracee_pages which, uint64_t addr, uint64_t end,
		      int (*fn)(void *ctx, uint64_t addr, uint64_t n), void *ctx)
{
	const int fd = tracee__pagemap(pid);
	int err;

	if (fd < 0)
		return fd;
	err = tracee__pages_in(fd, which, addr, end, fn, ctx);
	close(fd);
	return err;
}

int tracee__private_pages(pid_t pid, uint64_t addr, uint64_t end,
			  int (*fn)(void *ctx, uint64_t addr, uint64_t n), void *ctx)
{
	return walk_pages(pid, TRACEE_PAGES_PRIVATE, addr, end, fn, ctx);
}

int tracee__present_pages(pid_t pid, uint64_t addr, uint64_t end,
			  int (*fn)(void *ctx, uint64_t addr, uint64_t n), void *ctx)
{
	return walk_pages(pid, TRACEE_PAGES_PRESENT, addr, end, fn, ctx);
}

int tracee__stored_pages(pid_t pid, uint64_t addr, uint64_t end,
			 int (*fn)(void *ctx, uint64_t addr, uint64_t n), void *ctx)
{
	return walk_pages(pid, TRACEE_PAGES_STORED, addr, end, fn, ctx);
}
