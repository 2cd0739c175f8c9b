// SPDX-License-Identifier: MIT
/*
 * ring.c: the reader of the BPF ring buffer (Documentation/bpf/ringbuf.rst). libbpf's own reader has no bound: it goes on
 * as long as records come in. Here the end is the producer's position at the time of the call.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <sched.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "kern/state.h"

#define BUSY_WAIT_NS \
	20000000ll /* how long to wait for a record that a preempted program is filling */

int ring_open(struct ring *r, int map_fd, size_t bytes)
{
	size_t page = sysconf(_SC_PAGESIZE);
	void *consumer, *rest;

	consumer = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);
	if (consumer == MAP_FAILED)
		return -errno;
	rest = mmap(NULL, page + 2 * bytes, PROT_READ, MAP_SHARED, map_fd, page);
	if (rest == MAP_FAILED) {
		int err = -errno;
		munmap(consumer, page);
		return err;
	}
	r->fd = map_fd;
	r->consumer = consumer;
	r->producer = rest;
	r->data = (unsigned char *)rest + page;
	r->bytes = bytes;
	return 0;
}

void ring_close(struct ring *r)
{
	size_t page = sysconf(_SC_PAGESIZE);

	if (r->fd < 0)
		return;
	munmap(r->consumer, page);
	munmap((void *)r->producer, page + 2 * r->bytes);
	r->fd = -1;
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

/* Length word of a record, once it is complete; with the busy bit if that takes too long. */
static uint32_t record_length(const uint32_t *word)
{
	uint32_t len = __atomic_load_n(word, __ATOMIC_ACQUIRE);
	int64_t until = 0;

	while (len & BPF_RINGBUF_BUSY_BIT) {
		if (!until)
			until = now_ns() + BUSY_WAIT_NS;
		else if (now_ns() > until)
			break;
		sched_yield();
		len = __atomic_load_n(word, __ATOMIC_ACQUIRE);
	}
	return len;
}

int kern__ring_fd(const struct kern *k)
{
	return k->ring.fd;
}

bool kern__pending(const struct kern *k)
{
	uint64_t end = __atomic_load_n(k->ring.producer, __ATOMIC_ACQUIRE);

	return *k->ring.consumer < end;
}

int kern__drain(struct kern *k, kern_event_fn fn, void *ctx)
{
	struct ring *r = &k->ring;
	uint64_t end = __atomic_load_n(r->producer, __ATOMIC_ACQUIRE);
	uint64_t at = *r->consumer;
	int n = 0, stop = 0;

	if (k->skel)
		kern_attach_needed(k);
	while (at < end && !stop) {
		const uint32_t *head = (const uint32_t *)(r->data + (at & (r->bytes - 1)));
		uint32_t len = record_length(head);

		if (len & BPF_RINGBUF_BUSY_BIT)
			break;
		if (!(len & BPF_RINGBUF_DISCARD_BIT)) {
			stop = fn(ctx, (const struct kevent *)(head + BPF_RINGBUF_HDR_SZ / 4));
			n++;
		}
		len &= ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
		at += (len + BPF_RINGBUF_HDR_SZ + 7) / 8 * 8;
		__atomic_store_n(r->consumer, at, __ATOMIC_RELEASE);
	}
	return stop ? stop : n;
}
