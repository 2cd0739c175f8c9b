/* SPDX-License-Identifier: MIT */
/* racy: eight threads take turns as the scheduler and the timers like, and the program prints in which order. */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#define ROUNDS 40

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char order[8 * ROUNDS + 1];
static int at;

static void *turn(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		pthread_mutex_lock(&lock);
		order[at++] = (char)('a' + (long)arg);
		pthread_mutex_unlock(&lock);
		usleep(100);
	}
	return NULL;
}

int main(void)
{
	pthread_t t[8];

	for (long i = 0; i < 8; i++)
		pthread_create(&t[i], NULL, turn, (void *)i);
	for (int i = 0; i < 8; i++)
		pthread_join(t[i], NULL);
	printf("%s %p\n", order, (void *)&t);
	return 3;
}
