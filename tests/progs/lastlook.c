/* SPDX-License-Identifier: MIT */
/*
 * lastlook FILE shared|private|copied: maps a file; for each line of its input it tells what it saw in all pages just before it
 * read that line, with no call between, and what it sees now. Pages behind the file's end are SIGBUS, which it survives.
 * copied: private, and every second page is stored into first.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096

static sigjmp_buf back;
static volatile uint64_t hash;

static void on_bus(int sig)
{
	siglongjmp(back, sig);
}

static uint64_t look(const volatile uint64_t *p, long pages)
{
	hash = 14695981039346656037ull;
	for (volatile long i = 0; i < pages; i++) {
		if (sigsetjmp(back, 0)) {
			hash = (hash ^ 7) * 1099511628211ull;
			continue;
		}
		for (int k = 0; k < PAGE / 8; k++)
			hash = (hash ^ p[i * (PAGE / 8) + k]) * 1099511628211ull;
	}
	return hash;
}

int main(int argc, char **argv)
{
	const struct sigaction a = { .sa_handler = on_bus, .sa_flags = SA_NODEFER };
	const int fd = argc == 3 ? open(argv[1], O_RDONLY) : -1;
	struct stat st;
	uint64_t before, after;
	char line[100];
	long pages;
	char *p;

	if (fd < 0 || fstat(fd, &st))
		return 2;
	pages = (st.st_size + PAGE - 1) / PAGE;
	p = mmap(NULL, pages * PAGE, *argv[2] == 's' ? PROT_READ : PROT_READ | PROT_WRITE,
		 *argv[2] == 's' ? MAP_SHARED : MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return 3;
	for (long i = 0; *argv[2] == 'c' && i < pages; i += 2)
		p[i * PAGE] = 1;
	close(fd);
	sigaction(SIGBUS, &a, NULL);
	printf("ready %d\n", getpid());
	for (;;) {
		ssize_t n;

		fflush(stdout);
		before = look((void *)p, pages);
		n = read(0, line, sizeof(line));
		if (n <= 0)
			return 0;
		after = look((void *)p, pages);
		printf("%016lx %016lx\n", before, after);
	}
}
