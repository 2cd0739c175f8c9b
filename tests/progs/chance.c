// SPDX-License-Identifier: MIT
/* chance.c MODE: runs cpuid, rdtsc and rdtscp, and says `fine` if what they give makes sense. */
#include <cpuid.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

static void need(int ok, const char *what)
{
	if (ok)
		return;
	printf("not so: %s\n", what);
	exit(1);
}

/** rdtsc and rdtscp increase, and set the whole of their registers and no others. */
static void clocks(int rounds)
{
	uint64_t last = 0;

	for (int i = 0; i < rounds; i++) {
		uint64_t a = ~0ull, d = ~0ull, c = ~0ull, b = 42;

		if (i & 1)
			__asm__ volatile("rdtscp" : "+a"(a), "+d"(d), "+c"(c), "+b"(b));
		else
			__asm__ volatile("rdtsc" : "+a"(a), "+d"(d), "+b"(b));
		need(!(a >> 32) && !(d >> 32), "the upper halves are 0");
		need(b == 42, "rbx is kept");
		need(i & 1 ? c >> 32 == 0 : c == ~0ull, "rcx is set by rdtscp alone");
		need((d << 32 | a) > last, "time goes on");
		last = d << 32 | a;
	}
}

static void names(void)
{
	unsigned int a, b, c, d, max;
	char vendor[13] = "";

	__cpuid(0, max, b, c, d);
	memcpy(vendor, &b, 4);
	memcpy(vendor + 4, &d, 4);
	memcpy(vendor + 8, &c, 4);
	need(strlen(vendor) == 12, "cpuid tells a vendor");
	__cpuid(1, a, b, c, d);
	need(d & bit_SSE2, "there is SSE2");
	printf("%s, rdrand %d\n", vendor, !!(c & bit_RDRND));
}

/** `0f 31` as a part of an immediate: must come out as it is. */
static void decoys(void)
{
	uint64_t v;
	uint32_t w;

	__asm__ volatile("movabs $0x310f310fa20f310f, %0" : "=r"(v));
	need(v == 0x310f310fa20f310full, "an immediate of 8 bytes is whole");
	__asm__ volatile("movl $0xa20f310f, %0" : "=r"(w));
	need(w == 0xa20f310fu, "an immediate of 4 bytes is whole");
}

static volatile sig_atomic_t traps;
static void on_trap(int sig, siginfo_t *si, void *uc)
{
	(void)sig;
	(void)uc;
	traps += si->si_code == SI_KERNEL;
}

/** The program's own int3, with SIGTRAP handled. */
static void own_traps(void)
{
	struct sigaction sa = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };

	sigaction(SIGTRAP, &sa, NULL);
	for (int i = 0; i < 10; i++) {
		__asm__ volatile("int3" ::: "memory");
		clocks(2);
	}
	need(traps == 10, "each int3 is handled once");
}

static void *thread(void *arg)
{
	clocks(300);
	return arg;
}

static void threads(void)
{
	pthread_t t[4];

	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, thread, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
}

static void forks(void)
{
	for (int i = 0; i < 4; i++) {
		int status;

		if (!fork()) {
			clocks(50);
			_exit(0);
		}
		wait(&status);
		need(!status, "the child is content");
	}
}

static volatile sig_atomic_t ticks;
static void on_tick(int sig)
{
	(void)sig;
	ticks++;
}

/** Signals come at any moment. */
static void alarms(void)
{
	ualarm(1000, 1000);
	signal(SIGALRM, on_tick);
	while (ticks < 20)
		clocks(20);
	ualarm(0, 0);
}

/* cpuid with live flags and the 128 bytes below rsp in use, which are a function's own. */
__asm__(".type ask_all, @function\n"
	"ask_all: .cfi_startproc\n" /* (leaf, sub, out) */
	"	push %rbx\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	movabs $0x1122334455667788, %rax\n"
	"	mov %rax, -8(%rsp)\n"
	"	mov %rax, -128(%rsp)\n"
	"	mov %rdx, %r8\n"
	"	mov %edi, %eax\n"
	"	mov %esi, %ecx\n"
	"	xor %r9d, %r9d\n"
	"	stc\n"
	"	cpuid\n"
	"	mov %eax, (%r8)\n"
	"	mov %ebx, 4(%r8)\n"
	"	mov %ecx, 8(%r8)\n"
	"	mov %edx, 12(%r8)\n"
	"	setc %r9b\n"
	"	movabs $0x1122334455667788, %rax\n"
	"	xor %ecx, %ecx\n"
	"	cmp %rax, -8(%rsp)\n"
	"	jne 1f\n"
	"	cmp %rax, -128(%rsp)\n"
	"	jne 1f\n"
	"	mov %r9d, %ecx\n"
	"1:	mov %ecx, %eax\n"
	"	pop %rbx\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	ret\n"
	"	.cfi_endproc\n"
	".size ask_all, . - ask_all\n");
extern int ask_all(unsigned int leaf, unsigned int sub, unsigned int out[4]);

/** Asks all the time while signals come, then all over again as a program that starts anew; the answers are the same. leaf 1 is of the
 *  processor, leaf 0x4000ffff wasn't asked before. */
static void again(const char *self, const char *before)
{
	static const unsigned int leaf[] = { 0, 2, 4, 7, 0xd, 0x80000000, 0x80000002 };
	unsigned int sum = 0, first = 0, out[4];
	char text[16];

	signal(SIGALRM, on_tick);
	ualarm(1000, 1000);
	for (int i = 0; i < 30 || ticks < 5; i++) {
		sum = 0;
		for (size_t j = 0; j < sizeof(leaf) / sizeof(*leaf); j++) {
			need(ask_all(leaf[j], j == 2 ? i % 3 : 0, out),
			     "cpuid changes nothing else");
			if (j != 2)
				sum = sum * 31 + (out[0] ^ out[1] * 3 ^ out[2] * 5 ^ out[3] * 7);
		}
		need(ask_all(1, 0, out), "cpuid changes nothing else");
		if (before)
			need(ask_all(0x4000ffff, 0, out), "cpuid changes nothing else");
		if (!i)
			first = sum;
		need(sum == first, "the answers stay as they are");
	}
	ualarm(0, 0);
	signal(SIGALRM, SIG_IGN);
	snprintf(text, sizeof(text), "%x", sum);
	if (!before)
		execl(self, self, "again", text, NULL);
	need(before && !strcmp(before, text), "a program that starts again is told the same");
}

static sigjmp_buf segv_back;
static void on_segv(int sig)
{
	siglongjmp(segv_back, sig);
}

/** A SIGSEGV of the program's own, and one that looks like a forbidden rdtsc: an address that isn't canonical. */
static void own_faults(void)
{
	static volatile uint64_t bad[] = { 0, 0x8000000000000000 };
	volatile unsigned int caught = 0;

	signal(SIGSEGV, on_segv);
	for (volatile int i = 0; i < 4; i++) {
		if (sigsetjmp(segv_back, 1))
			caught++;
		else
			*(volatile int *)bad[i & 1];
	}
	need(caught == 4, "each fault is handled once");
}

/** Code that the program makes: can't be found before it runs. */
static void generated(void)
{
	static const unsigned char code[] = { 0x0f, 0x31, 0xc3 }; /* rdtsc; ret */
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);

	need(p != MAP_FAILED, "memory can be executable");
	memcpy(p, code, sizeof(code));
	for (int i = 0; i < 50; i++) {
		printf("%x\n", ((uint32_t(*)(void))p)());
		if (i % 10 == 0)
			own_faults();
	}
	memcpy((char *)p + 64, "\x0f\x01\xf9\xc3", 4); /* rdtscp; ret */
	need(((uint32_t(*)(void))((char *)p + 64))() != 0, "generated code runs");
}

/** Whether rdtsc is forbidden is the program's own: it was not, before it asks for it. */
static void asked(void)
{
	int may = 0;

	need(!prctl(PR_GET_TSC, &may) && may == PR_TSC_ENABLE, "rdtsc is not forbidden");
	need(prctl(PR_GET_TSC, 8) < 0 && errno == EFAULT, "a bad address is told");
	need(!prctl(PR_SET_TSC, PR_TSC_ENABLE), "it may be allowed");
	need(prctl(PR_SET_TSC, 77) < 0 && errno == EINVAL, "another number is refused");
	clocks(10);
	printf("forbidden: %d\n", prctl(PR_SET_TSC, PR_TSC_SIGSEGV));
	prctl(PR_SET_TSC, PR_TSC_ENABLE);
	clocks(10);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!strcmp(mode, "values"))
		clocks(2000), names(), decoys();
	else if (!strcmp(mode, "traps"))
		own_traps();
	else if (!strcmp(mode, "threads"))
		threads();
	else if (!strcmp(mode, "forks"))
		forks();
	else if (!strcmp(mode, "alarms"))
		alarms();
	else if (!strcmp(mode, "again"))
		again(argv[0], argv[2]);
	else if (!strcmp(mode, "generated"))
		generated();
	else if (!strcmp(mode, "asked"))
		asked();
	else
		return 2;
	puts("fine");
	return 0;
}
