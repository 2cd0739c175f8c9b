/* SPDX-License-Identifier: MIT */
/*
 * crowd.c: many outsiders, each of which changes 8 bytes of its own, to its pid.
 *
 *   crowd files DIR N OFFSET      one of many: opens DIR/0 to DIR/N-1 by turns, writes at OFFSET, closes
 *   crowd bomb FILE N pwrite|store|inherited
 *                                 N children at the same time, child i changes bytes i * 8 of FILE: through a descriptor or
 *                                 mapping that it makes itself, or (inherited) through its parent's; prints their pids
 *   crowd drip FILE MICROSECONDS pwrite|store
 *                                 changes the first 8 bytes of FILE, to numbers that grow, until its stdin ends
 */
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BOMB_MAX 4096 /* so that the machine lives */

static int files(const char *dir, unsigned long n, off_t at)
{
	const uint64_t me = (uint64_t)getpid();
	char path[4096];

	for (unsigned long i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%lu", dir, (i * 7919 + me) % n);
		int fd = open(path, O_WRONLY);
		if (fd < 0 || pwrite(fd, &me, sizeof(me), at) != sizeof(me))
			return 3;
		close(fd);
	}
	return 0;
}

static volatile uint64_t *map_of(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return NULL;
	void *p = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return p == MAP_FAILED ? NULL : p;
}

/* Through what is at hand: a mapping, or else a descriptor. */
static int change(volatile uint64_t *map, int fd, long i, uint64_t value)
{
	if (!map)
		return pwrite(fd, &value, sizeof(value), i * (long)sizeof(value)) != sizeof(value);
	map[i] = value;
	return 0;
}

/* All children live until the parent has started the last one. */
static int child(const char *path, const char *how, volatile uint64_t *map, long i, int gate)
{
	int fd = -1;
	char c;

	if (!map) {
		fd = open(path, O_RDWR);
		if (*how == 's')
			map = map_of(fd);
	}
	if ((!map && fd < 0) || change(map, fd, i, (uint64_t)getpid()))
		return 3;
	return read(gate, &c, 1) != 0;
}

static int bomb(const char *path, long n, const char *how)
{
	volatile uint64_t *map = *how == 'i' ? map_of(open(path, O_RDWR)) : NULL;
	int gate[2], status, failed = 0;

	if (n > BOMB_MAX || (*how == 'i' && !map) || pipe(gate))
		return 9;
	for (long i = 0; i < n; i++) {
		const pid_t pid = fork();

		if (!pid) {
			close(gate[1]);
			_exit(child(path, how, map, i, gate[0]));
		}
		if (pid < 0)
			failed++;
		else
			printf("%d\n", pid);
	}
	fflush(stdout);
	close(gate[1]);
	while (wait(&status) > 0)
		failed += status != 0;
	return failed ? 4 : 0;
}

static int drip(const char *path, unsigned int us, const char *how)
{
	struct pollfd end = { .fd = 0, .events = POLLIN };
	int fd = open(path, O_RDWR);
	volatile uint64_t *map = *how == 's' ? map_of(fd) : NULL;

	if (fd < 0 || (*how == 's' && !map))
		return 2;
	printf("ready %d\n", getpid());
	fflush(stdout);
	for (uint64_t i = 1; poll(&end, 1, 0) <= 0; i++) {
		if (change(map, fd, 0, i))
			return 3;
		usleep(us);
	}
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc == 5 ? argv[1] : "";

	if (!strcmp(what, "files"))
		return files(argv[2], strtoul(argv[3], NULL, 0), atol(argv[4]));
	if (!strcmp(what, "bomb"))
		return bomb(argv[2], atol(argv[3]), argv[4]);
	if (!strcmp(what, "drip"))
		return drip(argv[2], (unsigned int)atoi(argv[3]), argv[4]);
	return 9;
}
