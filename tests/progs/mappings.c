/* SPDX-License-Identifier: MIT */
/*
 * mappings SCENARIO: one process and what it does with its address space.
 *
 * What is printed depends on all bytes that were seen and on each signal that came.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096
#define RW   (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

static uint64_t sum = 14695981039346656037ull;
static sigjmp_buf back;
static char *volatile opened_area;
static volatile int signals;

static void see(uint64_t v)
{
	sum = (sum ^ v) * 1099511628211ull;
}

static void see_pages(const char *p, int n)
{
	for (int i = 0; i < n; i++)
		see(*(const volatile uint64_t *)(p + (long)i * PAGE));
}

static void need(int ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(1);
}

static char *map(size_t pages, int prot, int flags, int fd)
{
	char *p = mmap(NULL, pages * PAGE, prot, flags, fd, 0);

	need(p != MAP_FAILED, "mmap");
	return p;
}

/** A number that another run doesn't have. */
static uint64_t chance(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_nsec ^ (uint64_t)getpid() << 32;
}

static void fill(char *p, int n)
{
	for (int i = 0; i < n; i++)
		*(uint64_t *)(p + (long)i * PAGE) = chance() + i;
}

static char *remap(char *p, size_t old, size_t new, int flags, void *to)
{
	char *q = mremap(p, old * PAGE, new *PAGE, flags, to);

	need(q != MAP_FAILED, "mremap");
	return q;
}

static void on_fault(int sig, siginfo_t *si, void *context)
{
	char *at = (char *)((uintptr_t)si->si_addr & ~(uintptr_t)(PAGE - 1));

	(void)context;
	signals++;
	see(sig);
	see((uintptr_t)si->si_addr);
	if (at == opened_area) {
		mprotect(at, PAGE, RW);
		*(uint64_t *)at += signals;
		return;
	}
	siglongjmp(back, 1);
}

static void catch (void)
{
	struct sigaction a = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };

	sigaction(SIGSEGV, &a, NULL);
	sigaction(SIGBUS, &a, NULL);
}

/** One load that may fail. */
static void try(const char *p)
{
	if (!sigsetjmp(back, 1))
		see(*(const volatile char *)p);
}

static void anonymous_moves(void)
{
	char *a = map(16, RW, ANON, -1), *b, *hole = map(64, PROT_NONE, ANON, -1);

	catch ();
	fill(a, 16);
	a = remap(a, 16, 40, MREMAP_MAYMOVE, NULL);
	see_pages(a, 40);
	a = remap(a, 40, 8, 0, NULL);
	see_pages(a, 8);
	b = remap(a, 8, 8, MREMAP_MAYMOVE | MREMAP_FIXED, hole + 3L * PAGE);
	try(a);
	see_pages(b, 8);
	fill(b + PAGE, 2);
	a = remap(b, 8, 8, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
	see_pages(a, 8);
	see_pages(b, 8);
	fill(b, 8);
	see_pages(b, 8);
	a = remap(a + 2L * PAGE, 3, 5, MREMAP_MAYMOVE, NULL); /* out of the middle */
	see_pages(a, 5);
}

static void shared_moves(void)
{
	const int fd = memfd_create("m", 0);
	char *a, *b, *c, *hole = map(64, PROT_NONE, ANON, -1);

	need(!ftruncate(fd, 20L * PAGE), "ftruncate");
	a = map(20, RW, MAP_SHARED, fd);
	fill(a, 20);
	b = remap(a, 0, 20, MREMAP_MAYMOVE, NULL); /* a second mapping of the same */
	fill(b + 4L * PAGE, 3);
	see_pages(a, 20);
	c = remap(a + 2L * PAGE, 10, 10, MREMAP_MAYMOVE | MREMAP_FIXED, hole + PAGE);
	fill(c, 2);
	see_pages(b, 20);
	c = remap(b, 20, 20, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
	fill(c, 1);
	see_pages(c, 20);
	see_pages(b, 20);
	a = map(4, RW, MAP_PRIVATE, fd);
	fill(a + PAGE, 1);
	fill(c, 4);
	see_pages(a, 4);
	a = remap(a, 4, 8, MREMAP_MAYMOVE, NULL);
	see_pages(a, 8);
	a = map(2, RW, MAP_SHARED | MAP_ANONYMOUS, -1);
	fill(a, 2);
	a = remap(a, 2, 2, MREMAP_MAYMOVE | MREMAP_FIXED, hole + 40L * PAGE);
	see_pages(a, 2);
}

/** The file under the mapping gets shorter and longer; what lies behind its end is SIGBUS. */
static void truncated(int fd)
{
	char *a, *p;

	catch ();
	need(!ftruncate(fd, 8L * PAGE), "ftruncate");
	a = map(12, RW, MAP_SHARED, fd);
	p = map(12, RW, MAP_PRIVATE, fd);
	fill(a, 8);
	fill(p + PAGE, 1);
	fill(p + 6L * PAGE, 1);
	see_pages(p, 8);
	need(!ftruncate(fd, 3L * PAGE + 100), "ftruncate");
	for (int i = 0; i < 12; i++) {
		try(a + (long)i * PAGE);
		try(p + (long)i * PAGE);
	}
	need(!ftruncate(fd, 10L * PAGE), "ftruncate");
	for (int i = 0; i < 12; i++) {
		try(a + (long)i * PAGE);
		try(p + (long)i * PAGE);
	}
	fill(a + 9L * PAGE, 1);
	see_pages(p, 10);
	need(pwrite(fd, "written", 7, 2L * PAGE) == 7, "pwrite");
	see_pages(a, 10);
	see_pages(p, 10);
	need(!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE, 2L * PAGE), "punch");
	see_pages(a, 10);
	see_pages(p, 10);
	see(signals);
}

static void truncated_memfd(void)
{
	truncated(memfd_create("t", 0));
}

static void truncated_file(void)
{
	char name[] = "/var/tmp/mappings-XXXXXX";
	const int fd = mkstemp(name);

	need(fd >= 0, name);
	truncated(fd);
	unlink(name);
}

static void advice(void)
{
	const int fd = memfd_create("a", 0);
	char *a = map(8, RW, ANON, -1), *s, *p;

	need(!ftruncate(fd, 8L * PAGE), "ftruncate");
	s = map(8, RW, MAP_SHARED, fd);
	p = map(8, RW, MAP_PRIVATE, fd);
	fill(a, 8);
	fill(s, 8);
	fill(p, 3);
	need(!madvise(a + PAGE, 2L * PAGE, MADV_DONTNEED), "DONTNEED");
	need(!madvise(p, 2L * PAGE, MADV_DONTNEED), "DONTNEED");
	need(!madvise(s, 8L * PAGE, MADV_DONTNEED), "DONTNEED");
	see_pages(a, 8);
	see_pages(s, 8);
	see_pages(p, 8);
	need(!madvise(s + 3L * PAGE, 2L * PAGE, MADV_REMOVE), "REMOVE");
	see_pages(s, 8);
	see_pages(p, 8);
	see(madvise(a, 8L * PAGE, MADV_FREE));
	see_pages(a, 8);
	need(!madvise(a, 2L * PAGE, MADV_WIPEONFORK), "WIPEONFORK");
	need(!madvise(a + 4L * PAGE, PAGE, MADV_DONTFORK), "DONTFORK");
	if (!fork()) {
		catch ();
		see_pages(a, 4);
		try(a + 4L * PAGE);
		see_pages(a + 5L * PAGE, 3);
		printf("%016lx\n", sum);
		fflush(stdout);
		_exit(0);
	}
	wait(NULL);
	see_pages(a, 8);
}

static void protection(void)
{
	char *a = map(8, RW, ANON, -1);

	catch ();
	fill(a, 8);
	need(!mprotect(a + 2L * PAGE, 3L * PAGE, PROT_NONE), "mprotect");
	for (int i = 0; i < 8; i++)
		try(a + (long)i * PAGE);
	need(!mprotect(a, 8L * PAGE, PROT_READ), "mprotect");
	see_pages(a, 8);
	for (int i = 0; i < 8;
	     i++) { /* as garbage collectors do: the handler opens the page, the store is made again */
		opened_area = a + (long)i * PAGE;
		*(volatile uint64_t *)(a + (long)i * PAGE) += 5;
	}
	see_pages(a, 8);
	see(signals);
}

static uint64_t deep(int n)
{
	volatile char room[3000];

	room[0] = (char)n;
	room[2999] = (char)chance();
	return n ? deep(n - 1) + room[0] + room[2999] : 0;
}

static void growing(void)
{
	char *low = map(300, PROT_NONE, ANON, -1), *p;

	see(deep(200));
	munmap(low, 300L * PAGE);
	p = mmap(low + 298L * PAGE, PAGE, RW, ANON | MAP_GROWSDOWN | MAP_FIXED, -1, 0);
	need(p != MAP_FAILED, "growsdown");
	for (int i = 0; i < 20; i++) {
		*(volatile uint64_t *)(p - (long)i * PAGE) = chance();
		see_pages(p - (long)i * PAGE, i);
	}
	for (int i = 1; i < 5; i++) {
		char *end = sbrk(i * 3000L);

		memset(end, i, i * 3000L);
		see(end[i] + (long)(end - low));
	}
	need(sbrk(-9000) != (void *)-1 && sbrk(20000) != (void *)-1, "sbrk");
	see_pages((char *)(((uintptr_t)sbrk(0) - 20000) & ~7ul), 3);
}

/** mov eax, n; ret */
static void generate(unsigned char *p, int n)
{
	memcpy(p, (unsigned char[]){ 0xb8, (unsigned char)n, 0, 0, 0, 0xc3 }, 6);
}

/** Machine code made while the program runs: writable and executable at once, then in turns, then by two mappings. */
static void generated(void)
{
	const int fd = memfd_create("code", 0);
	unsigned char *p = (unsigned char *)map(1, RW | PROT_EXEC, ANON, -1), *q;

	for (int i = 0; i < 20; i++) {
		generate(p + 8 * (i % 3), (int)(chance() & 0xff));
		see(((int (*)(void))(p + 8 * (i % 3)))());
	}
	for (int i = 0; i < 20; i++) {
		need(!mprotect(p, PAGE, RW), "mprotect");
		generate(p, (int)(chance() & 0xff));
		need(!mprotect(p, PAGE, PROT_READ | PROT_EXEC), "mprotect");
		see(((int (*)(void))p)());
	}
	need(!ftruncate(fd, PAGE), "ftruncate");
	p = (unsigned char *)map(1, RW, MAP_SHARED, fd);
	q = (unsigned char *)map(1, PROT_READ | PROT_EXEC, MAP_SHARED, fd);
	for (int i = 0; i < 20; i++) {
		generate(p, (int)(chance() & 0xff));
		see(((int (*)(void))q)());
	}
}

static const struct {
	const char *name;
	void (*run)(void);
} scenarios[] = {
	{ "anonymous-moves", anonymous_moves },
	{ "shared-moves", shared_moves },
	{ "truncated-memfd", truncated_memfd },
	{ "truncated-file", truncated_file },
	{ "advice", advice },
	{ "protection", protection },
	{ "growing", growing },
	{ "generated", generated },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc == 2 && i < sizeof(scenarios) / sizeof(*scenarios); i++) {
		if (strcmp(argv[1], scenarios[i].name))
			continue;
		scenarios[i].run();
		printf("%s %016lx\n", argv[1], sum);
		return 0;
	}
	return 2;
}
