/* SPDX-License-Identifier: MIT */
/*
 * sigs.c: signals. "default": prints ready and waits to be killed; "handle": the same, but a handler ends it with 42;
 * "self": sends itself signals in many ways and prints what arrives. Its output is the same in each run.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

static volatile sig_atomic_t last, count, depth, deepest, code;
static volatile long value;
static sigjmp_buf back;

static void end_42(int sig)
{
	(void)sig;
	_exit(42);
}

static void note(int sig, siginfo_t *si, void *uc)
{
	(void)uc;
	last = sig;
	code = si->si_code;
	value = si->si_value.sival_int;
	count++;
	depth++;
	if (depth > deepest)
		deepest = depth;
	if (sig == SIGUSR1 && count < 3)
		raise(SIGUSR2);
	depth--;
}

static void leap(int sig)
{
	siglongjmp(back, sig);
}

static void handle(int sig, void (*fn)(int, siginfo_t *, void *), int flags)
{
	struct sigaction sa = { .sa_sigaction = fn, .sa_flags = flags | SA_SIGINFO };

	sigaction(sig, &sa, NULL);
}

static void show(const char *what)
{
	printf("%s: last %d code %d value %ld count %d deepest %d\n", what, last, code, value,
	       count, deepest);
	last = count = depth = deepest = code = 0;
	value = 0;
}

static void queued(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (int i = 0; i < 5; i++)
		sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = 100 + i });
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	show("queued");
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = 7 });
	siginfo_t si;
	printf("sigwaitinfo %d", sigwaitinfo(&set, &si) == SIGRTMIN);
	printf(" value %d\n", si.si_value.sival_int);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void faults(void)
{
	struct sigaction sa = { .sa_handler = leap };
	static volatile int zero;
	static int *volatile nowhere = (int *)8; /* hidden from the compiler's array bounds */

	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGFPE, &sa, NULL);
	sigaction(SIGILL, &sa, NULL);
	sigaction(SIGTRAP, &sa, NULL);
	int sig = sigsetjmp(back, 1);
	if (!sig)
		*nowhere = 1;
	printf("fault %d\n", sig);
	sig = sigsetjmp(back, 1);
	if (!sig)
		zero = 1 / zero;
	printf("fault %d\n", sig);
	sig = sigsetjmp(back, 1);
	if (!sig)
		__asm__ volatile("ud2");
	printf("fault %d\n", sig);
	sig = sigsetjmp(back, 1);
	if (!sig)
		__asm__ volatile("int3");
	printf("fault %d\n", sig);
}

static void alternate_stack(void)
{
	static char stack[65536];
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) };

	sigaltstack(&ss, NULL);
	handle(SIGUSR2, note, SA_ONSTACK);
	raise(SIGUSR2);
	show("alternate stack");
}

/* A timer interrupts reads: with SA_RESTART they go on, without they fail with EINTR. */
static void restarts(void)
{
	int p[2];
	char c;
	struct itimerval soon = { .it_value = { 0, 20000 } };

	if (pipe(p))
		return;
	handle(SIGALRM, note, 0);
	setitimer(ITIMER_REAL, &soon, NULL);
	ssize_t n = read(p[0], &c, 1);
	printf("read %zd %s\n", n, n < 0 ? strerror(errno) : "");
	show("without SA_RESTART");
	handle(SIGALRM, note, SA_RESTART);
	pid_t pid = fork();
	if (!pid) {
		while (getppid() > 1 && usleep(100000) == 0)
			if (kill(getppid(), 0) == 0 && write(p[1], "x", 1) == 1)
				_exit(0);
		_exit(1);
	}
	setitimer(ITIMER_REAL, &soon, NULL);
	n = read(p[0], &c, 1);
	printf("read %zd %c\n", n, c);
	while (waitpid(pid, NULL, 0) < 0)
		;
	show("with SA_RESTART");
}

static void *thread(void *arg)
{
	sigset_t set;
	int sig;

	(void)arg;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigwait(&set, &sig);
	printf("thread got %d\n", sig);
	return NULL;
}

static void to_thread(void)
{
	pthread_t t;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	pthread_create(&t, NULL, thread, NULL);
	pthread_kill(t, SIGUSR1);
	pthread_join(t, NULL);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* A child is stopped, continued and killed; its parent sees each. */
static void child_states(void)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		for (;;)
			pause();
	kill(pid, SIGSTOP);
	waitpid(pid, &status, WUNTRACED);
	printf("stopped %d by %d\n", WIFSTOPPED(status), WSTOPSIG(status));
	kill(pid, SIGCONT);
	waitpid(pid, &status, WCONTINUED);
	printf("continued %d\n", WIFCONTINUED(status));
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	printf("killed %d by %d\n", WIFSIGNALED(status), WTERMSIG(status));
}

static int self(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	handle(SIGUSR1, note, 0);
	handle(SIGUSR2, note, 0);
	handle(SIGRTMIN, note, 0);
	raise(SIGUSR1);
	show("nested");
	queued();
	faults();
	alternate_stack();
	restarts();
	to_thread();
	child_states();
	signal(SIGUSR1, SIG_IGN);
	raise(SIGUSR1);
	show("ignored");
	return 0;
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "self";

	if (!strcmp(how, "self"))
		return self();
	if (!strcmp(how, "handle")) {
		signal(SIGINT, end_42);
		signal(SIGTERM, end_42);
		signal(SIGHUP, end_42);
	}
	alarm(120);
	if (write(1, "ready\n", 6) != 6)
		return 1;
	for (;;)
		pause();
}
