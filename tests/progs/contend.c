/* SPDX-License-Identifier: MIT */
/* contend.c: N threads take one mutex R times each; prints the sum. Also a condition variable and a barrier. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t barrier;
static pthread_cond_t turn_changed = PTHREAD_COND_INITIALIZER;
static long sum, rounds;
static int turn, nthreads;

static void *work(void *arg)
{
	int me = (int)(long)arg;

	pthread_barrier_wait(&barrier);
	for (long i = 0; i < rounds; i++) {
		pthread_mutex_lock(&lock);
		sum += me + 1;
		pthread_mutex_unlock(&lock);
	}
	pthread_mutex_lock(&lock);
	while (turn != me)
		pthread_cond_wait(&turn_changed, &lock);
	printf("thread %d\n", me);
	turn++;
	pthread_cond_broadcast(&turn_changed);
	pthread_mutex_unlock(&lock);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t t[64];

	nthreads = argc > 1 ? atoi(argv[1]) : 8;
	rounds = argc > 2 ? atol(argv[2]) : 10000;
	pthread_barrier_init(&barrier, NULL, (unsigned)nthreads);
	for (long i = 0; i < nthreads; i++)
		pthread_create(&t[i], NULL, work, (void *)i);
	for (int i = 0; i < nthreads; i++)
		pthread_join(t[i], NULL);
	printf("sum %ld\n", sum);
	return 0;
}
