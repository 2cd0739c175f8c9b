/* SPDX-License-Identifier: MIT */
/*
 * insider.c: a program to be recorded. Prints "ready PID", then blocks in read(0) and answers each line with one line:
 *   map PATH shared|private|sharedrw|privaterw|privatecow OFFSET LENGTH touch|notouch   -> map ID ADDRESS
 *                         (privatecow: writable memory of a file that is opened for reading)
 *   shm SHMID [notouch]   -> map ID ADDRESS           (attaches SysV shared memory, read-only)
 *   unmap ID | protect ID r|rw
 *   hash ID PAGE          -> hash ID PAGE HEX|bus     (FNV-1a of what it sees)
 *   store ID OFFSET BYTE  stores one byte into its own mapping
 *   spin ID OFFSET BYTE   answers "spinning", then loops without system calls until the byte there is BYTE, then "saw"
 *   spinstore ID OFFSET BYTE   the same, but stores into the page before "saw"
 *   writepipe ID OFFSET LENGTH FIFO | readin ID OFFSET LENGTH FIFO   blocked write from or read into the mapping:
 *                         answers "blocking" first, "done N" when it is over
 *   op NAME PATH OFFSET LENGTH BYTE | childop ...   changes a file itself, or in a forked child
 *   status N              the exit status to end with
 * Input is read one byte at a time into a static buffer: nothing is read ahead, and no page of a test file is touched. With
 * the argument "bulk", as much as there is.
 * It ends at end of input; an alarm ends it when a test has gone wrong.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ops.h"

struct mapping {
	char *at;
	size_t len;
	int shm;
};

static struct mapping maps[4096];
static int nmaps;
static int exit_status;
static sigjmp_buf bus;

static void on_bus(int sig)
{
	(void)sig;
	siglongjmp(bus, 1);
}

/* Sends one line by one write. */
__attribute__((format(printf, 1, 2))) static void say(const char *fmt, ...)
{
	char buf[640];
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	if (write(1, buf, (size_t)n) != n)
		_exit(99);
}

static size_t chunk = 1; /* bytes to read at once */

/* The next byte of stdin, -1 at its end. */
static int next_byte(void)
{
	static unsigned char buf[4096];
	static ssize_t at, n;

	if (at == n) {
		at = 0;
		n = read(0, buf, chunk);
	}
	return n > 0 ? buf[at++] : -1;
}

static int read_line(char *line, size_t size)
{
	size_t n = 0;
	int c;

	while (n + 1 < size && (c = next_byte()) >= 0) {
		if (c == '\n') {
			line[n] = 0;
			return 1;
		}
		line[n++] = (char)c;
	}
	return 0;
}

static void do_map(const char *args)
{
	char path[512], kind[16], touch[16];
	long off, len;
	struct stat st;

	if (sscanf(args, "%511s %15s %ld %ld %15s", path, kind, &off, &len, touch) != 5)
		return say("error usage\n");
	int rw = strstr(kind, "rw") != NULL, cow = strstr(kind, "cow") != NULL;
	int fd = open(path, rw ? O_RDWR : O_RDONLY);
	if (fd < 0 || fstat(fd, &st))
		return say("error open %s: %s\n", path, strerror(errno));
	struct mapping *m = &maps[nmaps];
	m->len = len ? (size_t)len : ((size_t)st.st_size + 4095) & ~4095ul;
	m->at = mmap(NULL, m->len, PROT_READ | (rw || cow ? PROT_WRITE : 0),
		     kind[0] == 's' ? MAP_SHARED : MAP_PRIVATE, fd, off);
	close(fd);
	if (m->at == MAP_FAILED)
		return say("error mmap: %s\n", strerror(errno));
	for (size_t i = 0; !strcmp(touch, "touch") && i < m->len; i += 4096)
		(void)*(volatile char *)(m->at + i);
	say("map %d %lu\n", nmaps++, (unsigned long)m->at);
}

static void do_shm(const char *args)
{
	struct shmid_ds ds;
	struct mapping *m = &maps[nmaps];
	int id = atoi(args);
	int touch = !strstr(args, "notouch");

	m->at = shmat(id, NULL, SHM_RDONLY);
	if (m->at == (void *)-1 || shmctl(id, IPC_STAT, &ds))
		return say("error shmat: %s\n", strerror(errno));
	m->len = ds.shm_segsz;
	m->shm = 1;
	for (size_t i = 0; touch && i < m->len; i += 4096)
		(void)*(volatile char *)(m->at + i);
	say("map %d %lu\n", nmaps++, (unsigned long)m->at);
}

static void do_hash(const char *args)
{
	int id, page;
	volatile uint64_t h = 0xcbf29ce484222325u;

	if (sscanf(args, "%d %d", &id, &page) != 2)
		return say("error usage\n");
	if (sigsetjmp(bus, 1))
		return say("hash %d %d bus\n", id, page);
	for (int i = 0; i < 4096; i++)
		h = (h ^ (unsigned char)maps[id].at[page * 4096 + i]) * 0x100000001b3u;
	say("hash %d %d %016llx\n", id, page, (unsigned long long)h);
}

static void do_spin(const char *args, int store)
{
	int id, byte;
	long off;

	if (sscanf(args, "%d %ld %d", &id, &off, &byte) != 3)
		return say("error usage\n");
	volatile unsigned char *p = (volatile unsigned char *)maps[id].at + off;
	say("spinning\n");
	while (*p != (unsigned char)byte)
		;
	if (store)
		p[1] = (unsigned char)~byte;
	say("saw\n");
}

static void do_blocked_io(const char *args, int writing)
{
	int id;
	long off, len;
	char fifo[512];

	if (sscanf(args, "%d %ld %ld %511s", &id, &off, &len, fifo) != 4)
		return say("error usage\n");
	int fd = open(fifo, O_RDWR);
	if (fd < 0)
		return say("error open %s: %s\n", fifo, strerror(errno));
	say("blocking\n");
	char *at = maps[id].at + off;
	ssize_t n = writing ? write(fd, at, (size_t)len) : read(fd, at, (size_t)len);
	close(fd);
	say("done %zd\n", n);
}

static void do_op(const char *args, int in_child)
{
	char name[32], path[512];
	long off, len;
	int byte, status;
	pid_t pid;

	if (sscanf(args, "%31s %511s %ld %ld %d", name, path, &off, &len, &byte) != 5)
		return say("error usage\n");
	pid_t child = in_child ? fork() : 0;
	int err = child ? 0 : op_run(name, target__get(path), off, (size_t)len, byte, &pid);
	if (in_child && !child)
		_exit(-err);
	if (in_child) {
		waitpid(child, &status, 0);
		err = WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
	}
	if (err)
		return say("error %s: %s\n", name, strerror(-err));
	say("done %d\n", child);
}

static void end_map(const struct mapping *m)
{
	if (m->shm)
		shmdt(m->at);
	else
		munmap(m->at, m->len);
}

static void do_simple(const char *word, const char *args)
{
	int id = 0, byte = 0;
	long off = 0;
	char prot[8] = "";

	if (!strcmp(word, "status"))
		exit_status = atoi(args);
	else if (!strcmp(word, "unmap") && sscanf(args, "%d", &id) == 1)
		end_map(&maps[id]);
	else if (!strcmp(word, "store") && sscanf(args, "%d %ld %d", &id, &off, &byte) == 3)
		maps[id].at[off] = (char)byte;
	else if (!strcmp(word, "protect") && sscanf(args, "%d %7s", &id, prot) == 2)
		mprotect(maps[id].at, maps[id].len,
			 PROT_READ | (strchr(prot, 'w') ? PROT_WRITE : 0));
	else
		return say("error what is %s?\n", word);
	say("ok\n");
}

static void obey(const char *line)
{
	char word[32] = "";
	int at = 0;

	sscanf(line, "%31s %n", word, &at);
	if (!strcmp(word, "map"))
		do_map(line + at);
	else if (!strcmp(word, "shm"))
		do_shm(line + at);
	else if (!strcmp(word, "hash"))
		do_hash(line + at);
	else if (!strcmp(word, "spin") || !strcmp(word, "spinstore"))
		do_spin(line + at, word[4] != 0);
	else if (!strcmp(word, "writepipe") || !strcmp(word, "readin"))
		do_blocked_io(line + at, word[0] == 'w');
	else if (!strcmp(word, "op") || !strcmp(word, "childop"))
		do_op(line + at, word[0] == 'c');
	else
		do_simple(word, line + at);
}

int main(int argc, char **argv)
{
	static char line[1024];
	struct sigaction sa = { .sa_handler = on_bus };

	if (argc > 1 && !strcmp(argv[1], "bulk"))
		chunk = 4096;

	alarm(300);
	sigaction(SIGBUS, &sa, NULL);
	say("ready %d\n", getpid());
	while (read_line(line, sizeof(line)))
		obey(line);
	return exit_status;
}
