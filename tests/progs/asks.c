/* SPDX-License-Identifier: MIT */
/* asks.c: asks about paths and descriptors, by calls that bprec lets a program log itself. Prints `fine` last if all answers were right.
 *
 *	asks count N		N times each call, and nothing else
 *	asks answers DIR	answers of all kinds: long ones, errors, bad addresses
 *	asks opens DIR		opens, and one that waits for ever
 *	asks signals MS		for so long, with a timer's signals, whose handler asks too
 *	asks children N		N children by fork, some by vfork, that ask
 *	asks threads		two threads that ask
 *	asks together		two processes that share memory, and ask
 *	asks spoil		stores to bprec's memory in between
 *	asks jump		enters bprec's code by itself, for another call
 *	asks forever		until it is killed; prints a line first */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t hits, wrong;
static int file = -1;

#define EXPECT(cond)                                                                   \
	do {                                                                           \
		if (!(cond)) {                                                         \
			wrong++;                                                       \
			dprintf(2, "line %d: %s, errno %d\n", __LINE__, #cond, errno); \
		}                                                                      \
	} while (0)

/* One of each; all registers and memory that they must leave alone are used around them. */
static void ask(long i)
{
	const struct sigaction set = { .sa_handler = SIG_IGN };
	char link[128];
	struct sigaction old;
	struct stat st;

	memset(link, 'x', sizeof(link));
	EXPECT(readlink("/proc/self/fd/0", link, sizeof(link)) > 0 &&
	       link[sizeof(link) - 1] == 'x');
	errno = 0;
	EXPECT(readlink("/nothing/here", link, sizeof(link)) == -1 && errno == ENOENT);
	EXPECT(!access("/", X_OK));
	EXPECT(lseek(file, i % 1000, SEEK_SET) == i % 1000);
	st.st_size = -1;
	EXPECT(!stat("/", &st) && S_ISDIR(st.st_mode) && st.st_size >= 0);
	errno = 0;
	EXPECT(close(-1) == -1 && errno == EBADF);
	memset(&old, 0, sizeof(old));
	EXPECT(!sigaction(SIGUSR2, &set, &old) && old.sa_handler == SIG_IGN);
	EXPECT(!sigaction(SIGUSR2, NULL, NULL));
	const int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	EXPECT(fd >= 0 && !close(fd));
}

static void count(long n)
{
	for (long i = 0; i < n; i++)
		ask(i);
}

static void answers(const char *dir)
{
	char *volatile nowhere = (char *)1;
	static char path[5000], target[5000], got[8192];
	struct stat st;

	for (int len = 1; len < 4096; len = len * 2 + 1) {
		snprintf(path, sizeof(path), "%s/l%d", dir, len);
		memset(target, 'a' + len % 26, len);
		target[len] = '\0';
		unlink(path);
		EXPECT(!symlink(target, path));
		for (int i = 0; i < 5; i++) {
			memset(got, '-', sizeof(got));
			EXPECT(readlink(path, got, 4096) == len && !memcmp(got, target, len) &&
			       got[len] == '-');
			memset(got, '-', sizeof(got));
			EXPECT(readlink(path, got, sizeof(got)) == len &&
			       !memcmp(got, target, len)); /* longer than the log takes */
			EXPECT(readlink(path, got, 1) == 1);
		}
		EXPECT(!lstat(path, &st) && S_ISLNK(st.st_mode) && st.st_size == len);
	}
	EXPECT(readlink(path, nowhere, 100) == -1 && errno == EFAULT);
	EXPECT(readlink(nowhere, got, 100) == -1 && errno == EFAULT);
	EXPECT(stat("/", (struct stat *)nowhere) == -1 && errno == EFAULT);
	EXPECT(access(nowhere, 0) == -1 && errno == EFAULT);
	EXPECT(readlink(path, got, 0) == -1 && errno == EINVAL);
	EXPECT(lseek(-1, 0, SEEK_SET) == -1 && errno == EBADF);
	EXPECT(!fstat(file, &st) && st.st_size > 0);
	for (int i = 0; i < 50; i++) { /* a descriptor that is closed is one that another gets */
		const int fd = dup(file);

		EXPECT(fd == file + 1 && !close(fd));
	}
}

static void on_signal(int sig)
{
	const int before = errno;

	(void)sig;
	hits++;
	ask(hits);
	errno = before;
}

/* What open does beside reading; and one that waits until a signal comes. */
static void opens(const char *dir)
{
	const struct itimerval often = { { 0, 20000 }, { 0, 20000 } },
			       never = { { 0, 0 }, { 0, 0 } };
	const struct sigaction sa = { .sa_handler = on_signal };
	char path[5000];
	int fd;

	errno = 0;
	EXPECT(open("/nothing/here", O_RDONLY) == -1 && errno == ENOENT);
	EXPECT(open((char *)1, O_RDONLY) == -1 && errno == EFAULT);
	snprintf(path, sizeof(path), "%s/new", dir);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
	EXPECT(fd >= 0 && write(fd, "x", 1) == 1 && !close(fd));
	fd = open(path, O_WRONLY | O_TRUNC);
	EXPECT(fd >= 0 && !lseek(fd, 0, SEEK_END) && !close(fd));
	snprintf(path, sizeof(path), "%s/fifo", dir);
	EXPECT(!mkfifo(path, 0600));
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	errno = 0;
	EXPECT(open(path, O_RDONLY) == -1 && errno == EINTR); /* nobody writes */
	setitimer(ITIMER_REAL, &never, NULL);
	EXPECT(hits);
}

static void signals(long ms)
{
	const struct itimerval often = { { 0, 700 }, { 0, 700 } }, never = { { 0, 0 }, { 0, 0 } };
	struct sigaction sa = { .sa_handler = on_signal };
	struct timespec from, now;

	sigaction(SIGALRM, &sa, NULL);
	clock_gettime(CLOCK_MONOTONIC, &from);
	setitimer(ITIMER_REAL, &often, NULL);
	do {
		count(200);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((now.tv_sec - from.tv_sec) * 1000 + (now.tv_nsec - from.tv_nsec) / 1000000 < ms ||
		 !hits);
	setitimer(ITIMER_REAL, &never, NULL);
}

/* One child of the three kinds. */
static pid_t child(long i, char *self)
{
	char *argv[] = { self, (char *)"count", (char *)"5", NULL };
	const pid_t pid = i % 3 == 2 ? vfork() : fork();

	if (pid)
		return pid;
	if (i % 3 == 2) {
		count(5);
		execv("/proc/self/exe", argv);
		_exit(9);
	}
	count(i % 50);
	_exit(wrong ? 1 : 0);
}

static void children(long n, char *self)
{
	int status;

	for (long i = 0; i < n; i++) {
		const pid_t pid = child(i, self);

		count(3);
		EXPECT(waitpid(pid, &status, 0) == pid && !status);
		count(3);
	}
}

static void *thread(void *arg)
{
	count((long)arg);
	return NULL;
}

static void threads(void)
{
	pthread_t t[2];

	count(20);
	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, thread, (void *)300L);
	count(100);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	count(20);
}

/* Two that hand a number to each other and ask in between. */
static void together(void)
{
	volatile int *turn =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	const pid_t pid = fork();
	int status;

	for (int i = 0; i < 100; i++) {
		while (turn[0] % 2 != !pid)
			ask(i);
		EXPECT(turn[0] == 2 * i + !pid);
		turn[0]++;
	}
	if (!pid)
		_exit(wrong ? 1 : 0);
	EXPECT(waitpid(pid, &status, 0) == pid && !status);
}

static void spoil(void)
{
	uint64_t *log = (uint64_t *)0x70001000;

	count(3);
	log[0] = 0x70001000 + 0x1000; /* as if there were more, of zeros */
	count(3);
	close(file);
}

/* The instruction in bprec's code that doesn't stop: `syscall` behind the last of seven stores to the log. */
static void jump(void)
{
	const uint8_t *code = (const uint8_t *)0x70000100;
	int (*wrapper)(const char *, int) = access;
	long ret = 0;

	EXPECT(!wrapper("/", 0));
	for (int i = 0; i < 512; i++) {
		if (code[i] != 0x0f || code[i + 1] != 0x05)
			continue;
		/* as from a wrapper, so that the code behind it returns here */
		__asm__ volatile("call *%1"
				 : "=a"(ret)
				 : "r"(code + i), "a"(SYS_getppid)
				 : "rcx", "r11", "memory", "cc");
		break;
	}
	EXPECT(ret == getppid());
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	const char *arg = argc > 2 ? argv[2] : "0";

	file = open("/proc/self/exe", O_RDONLY);
	signal(SIGUSR2, SIG_IGN);
	if (!strcmp(mode, "count"))
		count(atol(arg));
	else if (!strcmp(mode, "answers"))
		answers(arg);
	else if (!strcmp(mode, "opens"))
		opens(arg);
	else if (!strcmp(mode, "signals"))
		signals(atol(arg));
	else if (!strcmp(mode, "children"))
		children(atol(arg), argv[0]);
	else if (!strcmp(mode, "threads"))
		threads();
	else if (!strcmp(mode, "together"))
		together();
	else if (!strcmp(mode, "spoil"))
		spoil();
	else if (!strcmp(mode, "jump"))
		jump();
	else if (!strcmp(mode, "forever"))
		for (puts("asking"), fflush(stdout);;)
			count(10);
	else
		wrong = 1;
	puts(wrong ? "wrong" : "fine");
	return wrong ? 1 : 0;
}
