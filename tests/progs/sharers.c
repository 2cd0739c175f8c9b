/* SPDX-License-Identifier: MIT */
/*
 * sharers SCENARIO: memory that several insiders see, changed by stores and by system calls in turns.
 *
 * What is printed depends on all bytes that were seen, in the order in which they were, so that a replay which puts a change
 * elsewhere prints something else.
 */
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096

static uint64_t sum = 14695981039346656037ull;
static int file;
static volatile uint32_t *map;

/** Adds a number to what the program has seen. */
static void see(uint64_t v)
{
	sum = (sum ^ v) * 1099511628211ull;
}

static void need(int ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(1);
}

static void *share(int fd, size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	need(p != MAP_FAILED, "mmap");
	return p;
}

static void make_file(void)
{
	file = memfd_create("x", 0);
	need(file >= 0 && !ftruncate(file, 4 * PAGE), "memfd");
	map = share(file, 4 * PAGE);
}

static void put(uint32_t v, int at)
{
	need(pwrite(file, &v, 4, at * 4) == 4, "pwrite");
}

/** The program's own store, the call's, and the store again: each must come after the one before. */
static void own_write(void)
{
	make_file();
	for (uint32_t i = 0; i < 50; i++) {
		map[0] = map[0] * 3 + i;
		map[1] = i;
		put(map[0] + map[1] * 7, 0);
		see(map[0]);
		map[1] += map[0];
		see(map[1]);
	}
	need(!ftruncate(file, PAGE) && !ftruncate(file, 4 * PAGE), "ftruncate");
	see(map[0] + map[PAGE]);
}

static volatile uint32_t stop;

static void *look_on(void *arg)
{
	uint32_t last = 0;

	while (!stop) {
		const uint32_t now = map[0];

		if (now == last)
			continue;
		see(now);
		map[1]++;
		last = now;
	}
	return arg;
}

/** A thread that makes no call sees what another one writes by calls. */
static void watched_write(void)
{
	pthread_t t;

	make_file();
	need(!pthread_create(&t, NULL, look_on, NULL), "thread");
	for (uint32_t i = 1; i < 60; i++) {
		put(i + map[1] * 256, 0);
		if (i % 8 == 0)
			usleep(1000);
	}
	stop = 1;
	pthread_join(t, NULL);
	see(map[0]);
	see(map[1]);
}

/** Two processes take turns by a word in memory, without calls. */
static void spin_turns(void)
{
	make_file();
	const int child = !fork();

	for (uint32_t i = 0; i < 6; i++) {
		while (map[0] % 2 != (uint32_t)child)
			;
		map[2] = map[2] * 5 + i + child;
		see(map[2]);
		map[0]++;
	}
	if (child)
		_exit(0);
	wait(NULL);
	see(map[2]);
}

/** Two processes without a lock: the result is a matter of luck. */
static void store_race(void)
{
	make_file();
	const int child = !fork();

	for (uint32_t i = 0; i < 400000; i++) {
		map[0] = map[0] * 3 + child;
		if (i % 20000 == 0)
			usleep(10);
	}
	if (child)
		_exit(0);
	wait(NULL);
	see(map[0]);
}

static void futex(int op, uint32_t v)
{
	syscall(SYS_futex, map, op, v, NULL, NULL, 0);
}

static void futex_turns(void)
{
	make_file();
	const int child = !fork();

	for (uint32_t i = 0; i < 40; i++) {
		uint32_t v;

		while ((v = map[0]) % 2 != (uint32_t)child)
			futex(FUTEX_WAIT, v);
		map[2] = map[2] * 5 + i + child;
		map[0]++;
		futex(FUTEX_WAKE, 2);
	}
	if (child)
		_exit(0);
	wait(NULL);
	see(map[2]);
}

/** The child maps the same file only later, when its parent has stored there and goes on storing. */
static void map_later(void)
{
	char name[] = "/dev/shm/sharers-XXXXXX";

	file = mkstemp(name);
	need(file >= 0 && !ftruncate(file, PAGE), "file");
	const int child = !fork();

	if (child)
		usleep(3000);
	map = share(file, PAGE);
	for (uint32_t i = 0; i < 60000; i++) {
		map[child] = map[child] * 3 + map[!child] + 1;
		if (i % 600 == 0)
			usleep(50);
	}
	if (child)
		_exit(0);
	wait(NULL);
	unlink(name);
	see(map[0]);
	see(map[1]);
}

/** A memfd, sealed, goes through a socket to a child that was there before. */
static void pass_fd(void)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} c = { .head = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	char byte = 'x';
	struct iovec iov = { &byte, 1 };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof(c)
	};
	int s[2];

	need(!socketpair(AF_UNIX, SOCK_STREAM, 0, s), "socketpair");
	if (!fork()) {
		need(recvmsg(s[1], &m, 0) == 1, "recvmsg");
		memcpy(&file, CMSG_DATA(&c.head), sizeof(file));
		map = share(file, PAGE);
		for (uint32_t i = 0; i < 100; i++)
			map[i] = map[i + 1] * 2 + i;
		need(write(s[1], "y", 1) == 1, "write");
		_exit(0);
	}
	file = memfd_create("passed", MFD_ALLOW_SEALING);
	need(file >= 0 && !ftruncate(file, PAGE), "memfd");
	map = share(file, PAGE);
	for (uint32_t i = 0; i < 100; i++)
		map[i] = i * i;
	need(!fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), "seal");
	memcpy(CMSG_DATA(&c.head), &file, sizeof(file));
	need(sendmsg(s[0], &m, 0) == 1, "sendmsg");
	need(read(s[0], &byte, 1) == 1, "read");
	for (uint32_t i = 0; i < 100; i++)
		see(map[i]);
	see(ftruncate(file, 1) != 0);
	wait(NULL);
}

/** Shared memory that is removed while it is attached, twice in one process. */
static void sysv(void)
{
	const int id = shmget(IPC_PRIVATE, 2 * PAGE, 0600);
	volatile uint32_t *again;

	map = shmat(id, NULL, 0);
	again = shmat(id, NULL, SHM_RDONLY);
	shmctl(id, IPC_RMID, NULL);
	map[3] = 5;
	if (!fork()) {
		map[1] = map[3] + 1;
		map[1030] = getpid();
		_exit(0);
	}
	wait(NULL);
	see(again[1]);
	see(again[1030]);
	see(shmdt((void *)map));
	see(again[3]);
	see(shmdt((void *)again));
}

/** read(2) stores into shared memory while another process looks at it. */
static void read_into(void)
{
	uint32_t v;
	int p[2];

	make_file();
	need(!pipe(p), "pipe");
	if (!fork()) {
		for (uint32_t i = 1; i <= 30; i++) {
			v = i + map[1];
			need(write(p[1], &v, 4) == 4, "write");
			while (map[0] != v)
				usleep(100);
			map[1] = map[0] * 3;
		}
		_exit(0);
	}
	for (int i = 0; i < 30; i++) {
		need(read(p[0], (void *)map, 4) == 4, "read");
		see(map[0]);
		see(map[1]);
	}
	wait(NULL);
	see(map[1]);
}

static sigjmp_buf out;

static void jump_out(int sig)
{
	siglongjmp(out, sig);
}

/** A child that shared nothing until then cuts the file by its path, while the parent looks at it without a call. */
static void cut(int by_open)
{
	char name[] = "/dev/shm/sharers-XXXXXX";
	volatile uint64_t rounds = 0;

	file = mkstemp(name);
	need(file >= 0, "file");
	for (int i = 0; i < PAGE / 4; i++)
		need(write(file, "full", 4) == 4, "write");
	close(file);
	file = open(name, O_RDONLY);
	map = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, file, 0);
	need(map != MAP_FAILED, "mmap");
	if (!fork()) {
		usleep(20000);
		need(by_open ? open(name, O_WRONLY | O_TRUNC) >= 0 : !truncate(name, 100), "cut");
		_exit(0);
	}
	signal(SIGBUS, jump_out);
	if (!sigsetjmp(out, 1))
		while (map[50])
			rounds++;
	wait(NULL);
	unlink(name);
	see(rounds);
}

static void cut_by_path(void)
{
	cut(0);
}

static void cut_by_open(void)
{
	cut(1);
}

static uint32_t remote[2000];

/** The child's memory is written by /proc/PID/mem, read back, and printed by the child. */
static void other_memory(void)
{
	int go[2], done[2];
	char byte, path[64];
	uint32_t v[2000];
	struct iovec mine = { v, sizeof(v) }, its = { remote, sizeof(remote) };

	need(!pipe(go) && !pipe(done), "pipe");
	const pid_t child = fork();

	if (!child) {
		for (int i = 0; i < 4; i++) {
			remote[i] += i;
			need(write(done[1], "d", 1) == 1 && read(go[0], &byte, 1) == 1, "pipe");
			see(remote[i] + remote[1999]);
		}
		printf("%016lx\n", sum);
		fflush(stdout);
		_exit(0);
	}
	snprintf(path, sizeof(path), "/proc/%d/mem", child);
	const int mem = open(path, O_RDWR);

	for (int i = 0; i < 4; i++) {
		need(read(done[0], &byte, 1) == 1, "pipe");
		need(process_vm_readv(child, &mine, 1, &its, 1, 0) == sizeof(v), "readv");
		see(v[i]);
		v[i] += getpid() + i;
		v[1999] = v[i] * 3;
		see(process_vm_writev(child, &mine, 1, &its, 1, 0)); /* refused while recording */
		need(pwrite(mem, v, sizeof(v), (off_t)(uintptr_t)remote) == sizeof(v), "mem");
		need(write(go[1], "g", 1) == 1, "pipe");
	}
	wait(NULL);
}

static const struct {
	const char *name;
	void (*run)(void);
} scenarios[] = {
	{ "own-write", own_write },	{ "watched-write", watched_write },
	{ "spin-turns", spin_turns },	{ "store-race", store_race },
	{ "futex-turns", futex_turns }, { "map-later", map_later },
	{ "pass-fd", pass_fd },		{ "sysv", sysv },
	{ "read-into", read_into },	{ "other-memory", other_memory },
	{ "cut-by-path", cut_by_path }, { "cut-by-open", cut_by_open },
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
