/* SPDX-License-Identifier: MIT */
#include "tracee/signals.h"

#include <signal.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tracee/tracee.h"

#define NSIGNALS 64

/* The kernel's struct sigaction. The C library's functions refuse its own signals 32 and 33, which may be ignored too. */
struct kernel_sigaction {
	void (*handler)(int);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

static struct {
	bool saved;
	uint64_t mask;	  /* blocked */
	uint64_t ignored; /* bit n-1: signal n */
} start;

static long action(int signo, const struct kernel_sigaction *set, struct kernel_sigaction *old)
{
	return syscall(SYS_rt_sigaction, signo, set, old, sizeof(set->mask));
}

void tracee__save_signals(void)
{
	if (start.saved)
		return;
	for (int s = 1; s <= NSIGNALS; s++) {
		struct kernel_sigaction old = { 0 };
		if (action(s, NULL, &old) == 0 && old.handler == SIG_IGN)
			start.ignored |= 1ull << (s - 1);
	}
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &start.mask, sizeof(start.mask));
	start.saved = true;
}

void signals__restore(void)
{
	for (int s = 1; s <= NSIGNALS; s++) {
		bool ignored = start.ignored >> (s - 1) & 1;
		const struct kernel_sigaction set = { .handler = ignored ? SIG_IGN : SIG_DFL };
		action(s, &set, NULL);
	}
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &start.mask, NULL, sizeof(start.mask));
}
