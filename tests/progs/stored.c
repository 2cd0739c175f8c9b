/* SPDX-License-Identifier: MIT */
/* stored: makes the kernel store words when threads come and go; prints each: what, thread, address, word (hex).
 * Output: 7 lines. */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static pthread_mutex_t own;
static pid_t thread_tid;
static uint32_t *thread_word;

static void robust(pthread_mutex_t *m)
{
	pthread_mutexattr_t a;

	pthread_mutexattr_init(&a);
	pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(m, &a);
}

static void print(const char *what, pid_t tid, const void *addr, uint32_t word)
{
	printf("%s %d %lx %x\n", what, tid, (unsigned long)addr, word);
}

/** Locks and ends: the lock word becomes FUTEX_OWNER_DIED. */
static void *locker(void *arg)
{
	thread_tid = gettid();
	syscall(SYS_set_tid_address, thread_word = arg);
	pthread_mutex_lock(&own);
	*thread_word = 1;
	syscall(SYS_exit, 0);
	return NULL;
}

static void thread(void)
{
	static volatile uint32_t word = 2;
	pthread_t t;

	robust(&own);
	pthread_create(&t, NULL, locker, (void *)&word);
	while (word)
		sched_yield();
	print("clear", thread_tid, (void *)&word, 0);
	print("robust", getpid(), &own.__data.__lock, (uint32_t)own.__data.__lock);
}

static void process(void)
{
	pthread_mutex_t *m =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	robust(m);
	pid = fork();
	if (!pid) {
		pthread_mutex_lock(m);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	print("shared", getpid(), &m->__data.__lock, (uint32_t)m->__data.__lock);
	print("noclear", pid, NULL, 0);
}

static void ids(void)
{
	static uint32_t parent, child;
	pid_t pid = syscall(SYS_clone, CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, NULL,
			    &parent, &child, NULL);

	if (!pid)
		_exit(child != (uint32_t)getpid());
	waitpid(pid, NULL, 0);
	print("parent", getpid(), &parent, parent);
	print("child", pid, &child, (uint32_t)pid);
	print("noclear", pid, NULL, 0);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOFBF, 65536);
	thread();
	process();
	ids();
	return 0;
}
