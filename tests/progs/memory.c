/* SPDX-License-Identifier: MIT */
/* memory: signals that instructions raise, mappings of all kinds, and memory shared with a child. */
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

static sigjmp_buf back;
static char *volatile page; /* the handler reads it */
static volatile int opened, bus;
static volatile uintptr_t nowhere = 8; /* no page is there */

static void on_fault(int sig, siginfo_t *si, void *context)
{
	(void)context;
	if (sig == SIGBUS) {
		bus++;
		siglongjmp(back, 1);
	}
	if ((char *)si->si_addr != page)
		siglongjmp(back, 1);
	opened++;
	mprotect(page, 4096, PROT_READ | PROT_WRITE);
}

static void on_alarm(int sig)
{
	(void)sig;
	if (write(1, "alarm\n", 6) != 6)
		_exit(9);
}

static void faults(void)
{
	struct sigaction a = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	stack_t s = { .ss_sp = malloc(1 << 16), .ss_size = 1 << 16 };

	sigaltstack(&s, NULL);
	sigaction(SIGSEGV, &a, NULL);
	sigaction(SIGBUS, &a, NULL);
	page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	*(volatile char *)page = 1;
	if (!sigsetjmp(back, 1))
		*(volatile int *)nowhere = 1;
	signal(SIGALRM, on_alarm);
	ualarm(20000, 0);
	pause();
	printf("opened %d\n", opened);
}

static void objects(void)
{
	const int fd = memfd_create("x", 0);
	const int id = shmget(IPC_PRIVATE, 4096, 0600);
	char *volatile shared, *private, *shm = shmat(id, NULL, 0);
	int status;

	if (ftruncate(fd, 12288))
		exit(1);
	shared = mmap(NULL, 12288, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	strcpy(shared, "hello");
	if (pwrite(fd, "J", 1, 0) != 1)
		exit(1);
	private = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
	shared = mremap(shared, 12288, 65536, MREMAP_MAYMOVE);
	strcpy(shm, "shm");
	if (!fork()) {
		shared[0] = 'K';
		shm[0] = 'S';
		_exit(0);
	}
	wait(&status);
	printf("%s %s %s\n", shared, private, shm);
	if (ftruncate(fd, 4096))
		exit(1);
	if (!sigsetjmp(back, 1))
		*(volatile char *)(shared + 8192) = 1;
	printf("bus %d\n", bus);
	shmctl(id, IPC_RMID, NULL);
}

static void code(void)
{
	unsigned char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int (*f)(void) = (int (*)(void))p;

	for (int i = 0; i < 3; i++) {
		memcpy(p, (unsigned char[]){ 0xb8, i, 0, 0, 0, 0xc3 }, 6); /* mov eax, i; ret */
		printf("code %d\n", f());
	}
}

int main(void)
{
	faults();
	objects();
	code();
	printf("%d\n", getpid());
	return 7;
}
