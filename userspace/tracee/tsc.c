/* SPDX-License-Identifier: MIT */
/*
 * tsc.c: does rdtsc fault where it is forbidden? Found by doing it: under some hypervisors PR_SET_TSC returns 0 and changes
 * nothing (CR4.TSD is ignored).
 */
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <x86intrin.h>

#include "tracee/tracee.h"

static sigjmp_buf faulted;

static void on_fault(int sig)
{
	siglongjmp(faulted, sig);
}

static bool rdtsc_faults(void)
{
	if (sigsetjmp(faulted, 1))
		return true;
	__rdtsc();
	return false;
}

static bool rdtscp_faults(void)
{
	unsigned int aux;

	if (sigsetjmp(faulted, 1))
		return true;
	__rdtscp(&aux);
	return false;
}

bool tracee__tsc_faults(void)
{
	const struct sigaction sa = { .sa_handler = on_fault };
	struct sigaction old;
	bool yes;

	if (sigaction(SIGSEGV, &sa, &old) || prctl(PR_SET_TSC, PR_TSC_SIGSEGV))
		return false;
	yes = rdtsc_faults() &&
	      rdtscp_faults(); /* nothing here asks for the time: the vDSO would fault */
	prctl(PR_SET_TSC, PR_TSC_ENABLE);
	sigaction(SIGSEGV, &old, NULL);
	return yes;
}
