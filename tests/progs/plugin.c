/* SPDX-License-Identifier: MIT */
/*
 * plugin.c: a program that uses a shared library while it is overwritten. Prints "ready PID", then answers each line:
 *   load PATH    -> loaded
 *   call         -> what the library's answer() returns
 *   get          -> the library's variable `kept`
 *   set N        stores it, which copies its page; -> set
 * or "signal N" if it got one.
 */
#include <dlfcn.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static sigjmp_buf back;
static int (*library_answer)(void);
static volatile int *kept;

static void on_signal(int sig)
{
	siglongjmp(back, sig);
}

static void load(const char *path)
{
	void *library = dlopen(path, RTLD_NOW);

	if (!library) {
		printf("error %s\n", dlerror());
		return;
	}
	library_answer = (int (*)(void))dlsym(library, "answer");
	kept = dlsym(library, "kept");
	printf("loaded\n");
}

static void act(const char *line)
{
	if (!strncmp(line, "load ", 5)) {
		load(line + 5);
	} else if (!library_answer || !kept) {
		printf("error nothing is loaded\n");
	} else if (!strncmp(line, "set ", 4)) {
		*kept = atoi(line + 4);
		printf("set\n");
	} else {
		printf("%d\n", strcmp(line, "call") ? *kept : library_answer());
	}
}

int main(void)
{
	const struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_NODEFER };
	static char line[512];

	sigaction(SIGBUS, &sa, NULL);
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGILL, &sa, NULL);
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("ready %d\n", getpid());
	while (fgets(line, sizeof(line), stdin)) {
		const int sig = sigsetjmp(back, 1);

		line[strcspn(line, "\n")] = '\0';
		if (sig)
			printf("signal %d\n", sig);
		else
			act(line);
	}
	return 0;
}
