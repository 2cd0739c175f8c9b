/* SPDX-License-Identifier: MIT */
/*
 * control SCENARIO: signals, threads and processes: how control comes and goes.
 *
 * What is printed depends on what was met on the way.
 */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t sum = 14695981039346656037ull;
static sigjmp_buf back;
static volatile int depth;
static volatile uint32_t word;
static char *self;

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

static uint64_t chance(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_nsec;
}

static void catch (int sig, void (*fn)(int, siginfo_t *, void *), int flags)
{
	struct sigaction a = { .sa_sigaction = fn, .sa_flags = SA_SIGINFO | flags };

	need(!sigaction(sig, &a, NULL), "sigaction");
}

static void on_deep(int sig, siginfo_t *si, void *context)
{
	volatile uint64_t here = chance();

	(void)context;
	see(sig * 100 + si->si_code + here);
	if (depth++ < 5)
		raise(depth % 2 ? SIGUSR1 : SIGUSR2);
	see(here);
}

static void nested(void)
{
	catch (SIGUSR1, on_deep, SA_NODEFER);
	catch (SIGUSR2, on_deep, SA_NODEFER);
	for (int i = 0; i < 5; i++) {
		depth = 0;
		raise(SIGUSR1);
	}
}

static void jump_out(int sig, siginfo_t *si, void *context)
{
	volatile char room[200];

	(void)context;
	room[0] = (char)chance();
	see((uintptr_t)si->si_addr + room[0]);
	siglongjmp(back, sig);
}

static volatile int bottom = -1; /* never reached */

static int endless(volatile int n)
{
	volatile char room[20000];

	room[n % 20000] = (char)n;
	return n == bottom ? 0 : endless(n + 1) + room[0];
}

/** The stack overflows, on the alternate one the handler jumps out; all of it again. */
static void overflow(void)
{
	const struct itimerval off = { { 0 }, { 0 } };
	stack_t s = { .ss_sp = malloc(1 << 16), .ss_size = 1 << 16 };

	need(!sigaltstack(&s, NULL), "sigaltstack");
	catch (SIGSEGV, jump_out, SA_ONSTACK);
	catch (SIGFPE, jump_out, 0);
	catch (SIGILL, jump_out, SA_ONSTACK);
	for (volatile int i = 0; i < 3; i++) {
		if (!sigsetjmp(back, 1))
			see(endless(0));
		if (!sigsetjmp(back, 1))
			see(1 / (int)(word * i));
		if (!sigsetjmp(back, 1))
			__builtin_trap();
	}
	setitimer(ITIMER_REAL, &off, NULL);
}

static void on_tick(int sig, siginfo_t *si, void *context)
{
	(void)si;
	(void)context;
	see(sig + word);
	depth++;
}

/** A timer in the middle of loops and waits. */
static void timer(void)
{
	const struct itimerval every = { { 0, 7000 }, { 0, 7000 } };
	const struct itimerval off = { { 0 }, { 0 } };

	catch (SIGALRM, on_tick, SA_RESTART);
	setitimer(ITIMER_REAL, &every, NULL);
	while (depth < 12) {
		word++;
		if (word % 1000000 == 0)
			usleep(1000);
	}
	setitimer(ITIMER_REAL, &off, NULL);
	see(word);
}

static void exec_self(const char *what)
{
	execl(self, self, what, (char *)NULL);
	_exit(9);
}

static void hello(void)
{
	see(getpid());
	see(chance());
}

static void vforks(void)
{
	int status;

	for (volatile int i = 0; i < 4; i++) {
		const pid_t pid = vfork();

		if (!pid) {
			word += 3; /* the parent's memory */
			if (i % 2)
				exec_self("hello");
			_exit(i);
		}
		waitpid(pid, &status, 0);
		see(status);
		see(word);
	}
}

static int in_same_memory(void *arg)
{
	for (int i = 0; i < 200; i++) {
		word = word * 3 + (uint32_t)(uintptr_t)arg;
		if (i % 20 == 0)
			sched_yield();
	}
	return 5;
}

/** Processes that share memory and are no threads. */
static void clone_vm(void)
{
	pid_t pid[4];
	int status;

	for (long i = 0; i < 4; i++) {
		char *stack = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);

		need(stack != MAP_FAILED, "stack");
		pid[i] = clone(in_same_memory, stack + (1 << 16), CLONE_VM | SIGCHLD, (void *)i);
		need(pid[i] > 0, "clone");
		in_same_memory((void *)7);
	}
	for (int i = 0; i < 4; i++) {
		need(waitpid(pid[i], &status, 0) == pid[i], "waitpid");
		see(status);
	}
	see(word);
}

static void *spin(void *arg)
{
	for (;;) {
		word++;
		usleep(100);
	}
	return arg;
}

static void *exec_other(void *arg)
{
	usleep(2000);
	exec_self("hello");
	return arg;
}

/** A thread that isn't the leader executes another program while others run. */
static void thread_exec(void)
{
	pthread_t t;

	for (int i = 0; i < 3; i++)
		pthread_create(&t, NULL, spin, NULL);
	pthread_create(&t, NULL, exec_other, NULL);
	for (;;)
		pause();
}

static void *short_life(void *arg)
{
	word = word * 5 + (uint32_t)(uintptr_t)arg;
	return (void *)(uintptr_t)word;
}

/** Threads come and go while others run; their stacks are used again. */
static void thread_lives(void)
{
	pthread_t t[4], busy;
	void *ret;

	pthread_create(&busy, NULL, spin, NULL);
	for (uintptr_t i = 0; i < 40; i += 4) {
		for (int k = 0; k < 4; k++)
			need(!pthread_create(&t[k], NULL, short_life, (void *)(i + k)), "thread");
		for (int k = 0; k < 4; k++) {
			pthread_join(t[k], &ret);
			see((uintptr_t)ret);
		}
	}
	see(word);
}

static pthread_mutex_t *robust;

static void *die_holding(void *arg)
{
	pthread_mutex_lock(robust);
	word++;
	return arg;
}

/** Locks whose owners die: threads, then processes. */
static void robust_locks(void)
{
	pthread_mutexattr_t a;
	pthread_t t;
	int err;

	robust = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_init(&a);
	pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(robust, &a);
	for (int i = 0; i < 6; i++) {
		if (i % 2) {
			pthread_create(&t, NULL, die_holding, NULL);
		} else if (!fork()) {
			pthread_mutex_lock(robust);
			_exit(0);
		}
		usleep(1000);
		err = pthread_mutex_lock(robust);
		see(err);
		if (err == EOWNERDEAD)
			pthread_mutex_consistent(robust);
		pthread_mutex_unlock(robust);
		if (i % 2)
			pthread_join(t, NULL);
		else
			wait(NULL);
	}
	see(word);
}

/** A thread leaves the process's leader behind, which has ended. */
static void *outlive(void *arg)
{
	usleep(5000);
	for (int i = 0; i < 3; i++)
		see(chance());
	printf("outlived %016lx\n", sum);
	fflush(stdout);
	_exit(3);
	return arg;
}

static void leader_ends(void)
{
	pthread_t t;

	pthread_create(&t, NULL, outlive, NULL);
	pthread_exit(NULL);
}

static void on_usr(int sig, siginfo_t *si, void *context)
{
	(void)context;
	see(sig);
	see(si->si_pid);
	see(si->si_value.sival_int);
	word++;
}

/** Signals between processes, with values, queued and waited for. */
static void queued(void)
{
	const pid_t parent = getpid();
	sigset_t set;
	siginfo_t si;

	catch (SIGRTMIN, on_usr, 0);
	catch (SIGUSR1, on_usr, SA_RESTART);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (!fork()) {
		for (int i = 0; i < 10; i++) {
			sigqueue(parent, SIGRTMIN + i % 2, (union sigval){ .sival_int = i });
			kill(parent, SIGUSR1);
			usleep(300);
		}
		_exit(0);
	}
	for (int i = 0; i < 5; i++) {
		while (sigwaitinfo(&set, &si) < 0)
			;
		see(si.si_value.sival_int);
	}
	while (wait(NULL) < 0)
		;
	see(word);
}

static const struct {
	const char *name;
	void (*run)(void);
} scenarios[] = {
	{ "nested", nested },
	{ "overflow", overflow },
	{ "timer", timer },
	{ "hello", hello },
	{ "vforks", vforks },
	{ "clone-vm", clone_vm },
	{ "thread-exec", thread_exec },
	{ "thread-lives", thread_lives },
	{ "robust-locks", robust_locks },
	{ "leader-ends", leader_ends },
	{ "queued", queued },
};

int main(int argc, char **argv)
{
	self = argv[0];
	for (size_t i = 0; argc == 2 && i < sizeof(scenarios) / sizeof(*scenarios); i++) {
		if (strcmp(argv[1], scenarios[i].name))
			continue;
		scenarios[i].run();
		printf("%s %016lx\n", argv[1], sum);
		return 0;
	}
	return 2;
}
