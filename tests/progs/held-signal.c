/* SPDX-License-Identifier: MIT */
/*
 * held-signal.c MODE: a signal with a handler comes while it computes without any call; then it does what MODE says.
 * "mask": blocks the signal; "default": sets it to its default action, which is fatal; "exec": executes echo; "read": waits
 * in read(2); "thread": the signal came to a thread that ends; "values": alarms by the hundred while it computes, then five
 * signals that carry values. In each case the handler has run before, and nothing else comes of the signal.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t got;
static volatile int sum;
static volatile int *go_on; /* shared with the sender */

static void note(int sig)
{
	(void)sig;
	got++;
}

static void add(int sig, siginfo_t *si, void *uc)
{
	(void)sig;
	(void)uc;
	sum = sum * 10 + si->si_value.sival_int;
}

static void set_mask(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(how, &set, NULL);
}

static void *compute(void *arg)
{
	if (arg)
		set_mask(SIG_UNBLOCK);
	go_on[0] = 1;
	while (!go_on[1])
		;
	return NULL;
}

/** The sender: waits until the other computes, sends, lets it go on, and writes to the pipe much later. */
static void send(pid_t to, int pipe_end)
{
	while (!go_on[0])
		usleep(1000);
	usleep(20000);
	kill(to, SIGUSR1);
	for (volatile int i = 0; i < 5000000; i++) /* time for the handler, and no call */
		;
	go_on[1] = 1;
	usleep(200000);
	_exit(write(pipe_end, "x", 1) != 1);
}

static void values(void)
{
	struct sigaction sa = { .sa_handler = note };
	struct itimerval it = { { 0, 1000 }, { 0, 1000 } };

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &it, NULL);
	while (got < 200)
		;
	memset(&it, 0, sizeof(it));
	setitimer(ITIMER_REAL, &it, NULL);
	sa.sa_sigaction = add;
	sa.sa_flags = SA_SIGINFO;
	sigaction(SIGALRM, &sa, NULL);
	for (int i = 1; i <= 5; i++)
		sigqueue(getpid(), SIGALRM, (union sigval){ .sival_int = i });
	printf("values %d\n", sum);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	struct sigaction sa = { .sa_handler = note };
	pthread_t thread;
	char c = '-';
	int p[2];

	if (!strcmp(mode, "values")) {
		values();
		return 0;
	}
	go_on = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (go_on == MAP_FAILED || pipe(p))
		return 1;
	sigaction(SIGUSR1, &sa, NULL);
	pid_t me = getpid();
	if (!fork())
		send(me, p[1]);
	if (!strcmp(mode, "thread")) {
		set_mask(SIG_BLOCK);
		pthread_create(&thread, NULL, compute, "unblock");
		pthread_join(thread, NULL);
	} else {
		compute(NULL);
	}
	if (!strcmp(mode, "mask"))
		set_mask(SIG_BLOCK);
	else if (!strcmp(mode, "default"))
		signal(SIGUSR1, SIG_DFL);
	else if (!strcmp(mode, "exec"))
		execlp("echo", "echo", "executed", NULL);
	else if (!strcmp(mode, "read"))
		printf("read %zd\n", read(p[0], &c, 1));
	printf("handled %d\n", got);
	fflush(stdout);
	return wait(NULL) < 0;
}
