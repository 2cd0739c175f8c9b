/* SPDX-License-Identifier: MIT */
/*
 * queue.c: the helper thread that compresses and writes frames.
 *
 * Invariants: frames reach the files in the order of submission (a frame of pages before the events that refer to them).
 * After the first error nothing more is written: later frames are dropped, so each file stays a prefix of what would have
 * been. The sinks belong to the thread from the first submission until queue__drain has returned. The thread is started
 * late because the recorder forks first, blocks all signals, and is the only one in this layer.
 */
#include "trace/queue.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "util/err.h"

#define LEVEL 1 /* zstd level */
#define LEVEL_QUICK \
	-50 /* ... while others wait: four times as fast, and makes a program's code twice as long */
#define BEHIND 2u /* jobs with which others wait */
#define CROWD \
	4u /* a processor is wanted by others, too, where the thread waits for one for a part of its time: one in so many */

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t work;		      /* to the thread: a job or stop */
	pthread_cond_t done;		      /* from the thread: a buffer is free, a job is done */
	struct frame_job jobs[QUEUE_BUFFERS]; /* ring */
	unsigned int head, njobs;	      /* njobs counts the one in work too */
	uint8_t *free[QUEUE_BUFFERS];
	unsigned int nfree, nbuffers; /* buffers unused, buffers allocated */
	bool stop, started;
	pthread_t thread;
	int waits_fd; /* /proc/thread-self/schedstat of the thread; -1: the kernel doesn't count there */
	bool crowded;	/* the thread had to wait for a processor in its last job */
	cpu_set_t cpus; /* where the queue's maker might run when it made it: the thread may, too */
	bool cpus_known;
	ZSTD_CCtx *cctx;
	uint8_t *out; /* compressed bytes */
	int err;      /* first error; written under the lock, read atomically */
	char text[ERR_TEXT_MAX];
};

struct queue *queue__new(void)
{
	struct queue *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->waits_fd = -1;
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->work, NULL);
	pthread_cond_init(&q->done, NULL);
	q->cpus_known = !sched_getaffinity(0, sizeof(q->cpus), &q->cpus);
	q->cctx = ZSTD_createCCtx();
	q->out = malloc(QUEUE_BUFFER);
	if (!q->cctx || !q->out) {
		queue__free(q);
		return NULL;
	}
	return q;
}

/* Nanoseconds for which the thread ran, and waited for a processor, so far (Documentation/scheduler/sched-stats.rst). */
static bool processor_times(const struct queue *q, uint64_t *ran, uint64_t *waited)
{
	char text[80];
	const ssize_t n = q->waits_fd < 0 ? -1 : pread(q->waits_fd, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = 0;
	return sscanf(text, "%" SCNu64 " %" SCNu64, ran, waited) == 2;
}

/* Compresses into q->out where that makes it smaller. quick: somebody else waits meanwhile. */
static int write_job(struct queue *q, const struct frame_job *job, bool quick)
{
	struct frame_header h = {
		.kind = job->kind,
		.codec = FRAME_ZSTD,
		.raw_len = (uint32_t)job->len,
		.first = job->first,
		.count = job->count,
	};
	const void *payload = q->out;
	const size_t n = ZSTD_compressCCtx(q->cctx, q->out, job->len - 1, job->raw, job->len,
					   quick ? LEVEL_QUICK : LEVEL);

	if (ZSTD_isError(n)) { /* no room in less than its own length */
		h.codec = FRAME_PLAIN;
		h.stored_len = h.raw_len;
		payload = job->raw;
	} else {
		h.stored_len = (uint32_t)n;
	}
	return sink__frame(job->sink, &h, payload);
}

/* The same, and sees whether others wanted the processor meanwhile: what compresses well is then done at their cost. */
static int timed_job(struct queue *q, const struct frame_job *job, bool behind)
{
	uint64_t ran[2] = { 0 }, waited[2] = { 0 };
	const bool known = processor_times(q, &ran[0], &waited[0]);
	const int err = write_job(q, job, behind || q->crowded);

	q->crowded = known && processor_times(q, &ran[1], &waited[1]) &&
		     (waited[1] - waited[0]) * (CROWD - 1) > ran[1] - ran[0];
	return err;
}

/* Takes the job at the head; called and returns with the lock held. */
static void run_one(struct queue *q)
{
	const struct frame_job job = q->jobs[q->head];
	const bool behind = q->njobs >= BEHIND;
	int err = q->err;

	if (err == 0) {
		pthread_mutex_unlock(&q->lock);
		err = timed_job(q, &job, behind);
		pthread_mutex_lock(&q->lock);
		if (err < 0) {
			memcpy(q->text, err__text(), sizeof(q->text) - 1);
			__atomic_store_n(&q->err, err, __ATOMIC_RELEASE);
		}
	}
	q->head = (q->head + 1) % QUEUE_BUFFERS;
	q->njobs--;
	q->free[q->nfree++] = job.raw;
	pthread_cond_broadcast(&q->done);
}

static void *thread_main(void *arg)
{
	struct queue *q = arg;

	q->waits_fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
	pthread_mutex_lock(&q->lock);
	while (q->njobs > 0 || !q->stop) {
		if (q->njobs > 0)
			run_one(q);
		else
			pthread_cond_wait(&q->work, &q->lock);
	}
	pthread_mutex_unlock(&q->lock);
	return NULL;
}

static void start(struct queue *q)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	q->started = pthread_create(&q->thread, NULL, thread_main, q) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (q->started && q->cpus_known) /* by now the recorder's own thread may be bound to one */
		pthread_setaffinity_np(q->thread, sizeof(q->cpus), &q->cpus);
}

uint8_t *queue__buffer(struct queue *q)
{
	uint8_t *buf = NULL;

	pthread_mutex_lock(&q->lock);
	while (q->nfree == 0 && q->nbuffers == QUEUE_BUFFERS)
		pthread_cond_wait(&q->done, &q->lock);
	if (q->nfree > 0) {
		buf = q->free[--q->nfree];
	} else {
		buf = malloc(QUEUE_BUFFER);
		if (buf)
			q->nbuffers++;
	}
	pthread_mutex_unlock(&q->lock);
	return buf;
}

void queue__discard(struct queue *q, uint8_t *buf)
{
	if (!buf)
		return;
	pthread_mutex_lock(&q->lock);
	q->free[q->nfree++] = buf;
	pthread_cond_broadcast(&q->done);
	pthread_mutex_unlock(&q->lock);
}

int queue__submit(struct queue *q, const struct frame_job *job)
{
	int err;

	if (!q->started)
		start(q);
	pthread_mutex_lock(&q->lock);
	q->jobs[(q->head + q->njobs) % QUEUE_BUFFERS] = *job;
	q->njobs++;
	if (q->started)
		pthread_cond_signal(&q->work);
	else
		run_one(q); /* no thread to be had: do it here */
	err = q->err;
	pthread_mutex_unlock(&q->lock);
	return err;
}

int queue__drain(struct queue *q)
{
	int err;

	pthread_mutex_lock(&q->lock);
	while (q->njobs > 0)
		pthread_cond_wait(&q->done, &q->lock);
	err = q->err;
	pthread_mutex_unlock(&q->lock);
	return err < 0 ? err__set(err, "%s", q->text) : 0;
}

int queue__error(const struct queue *q)
{
	return __atomic_load_n(&q->err, __ATOMIC_ACQUIRE);
}

const char *queue__error_text(const struct queue *q)
{
	return q->text;
}

void queue__free(struct queue *q)
{
	if (!q)
		return;
	if (q->started) {
		pthread_mutex_lock(&q->lock);
		q->stop = true;
		pthread_cond_signal(&q->work);
		pthread_mutex_unlock(&q->lock);
		pthread_join(q->thread, NULL);
	}
	for (unsigned int i = 0; i < q->nfree; i++)
		free(q->free[i]);
	if (q->waits_fd >= 0)
		close(q->waits_fd);
	free(q->out);
	ZSTD_freeCCtx(q->cctx);
	pthread_cond_destroy(&q->done);
	pthread_cond_destroy(&q->work);
	pthread_mutex_destroy(&q->lock);
	free(q);
}
