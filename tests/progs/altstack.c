/* SPDX-License-Identifier: MIT */
/* altstack: handles a signal on an alternate stack. */
#include <signal.h>
#include <stdlib.h>

static volatile sig_atomic_t seen;

static void on_signal(int sig)
{
	(void)sig;
	seen = 1;
}

int main(void)
{
	stack_t ss = { .ss_size = 1 << 17 };
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_ONSTACK };

	ss.ss_sp = malloc(ss.ss_size);
	sigaltstack(&ss, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	return !seen;
}
