// SPDX-License-Identifier: MIT
/* The reader of the ring buffer, on a file that is laid out as the kernel lays out a ring. */
#include <fcntl.h>
#include <linux/bpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "kern/state.h"

#define PAGE  4096u
#define BYTES 4096u
/* A record of a kevent with its header. */
#define RECORD ((sizeof(struct kevent) + BPF_RINGBUF_HDR_SZ + 7) / 8 * 8)

/** A ring under test: the kernel's side writable. */
struct fake {
	struct kern k;
	unsigned char *mem; /* consumer page, producer page, data */
	int fd;
};

static uint64_t *producer(struct fake *f)
{
	return (uint64_t *)(f->mem + PAGE);
}

/* Puts a record with this type behind the others. */
static uint32_t *put(struct fake *f, uint32_t type, uint32_t flags)
{
	uint64_t at = *producer(f);
	unsigned char *p = f->mem + 2 * PAGE + at % BYTES;
	struct kevent ev = { .type = type };

	assert_true(at % BYTES + RECORD <= BYTES);
	*(uint32_t *)p = sizeof(ev) | flags;
	memcpy(p + BPF_RINGBUF_HDR_SZ, &ev, sizeof(ev));
	*producer(f) = at + RECORD;
	return (uint32_t *)p;
}

static int setup(void **state)
{
	struct fake *f = calloc(1, sizeof(*f));

	f->fd = memfd_create("ring", MFD_CLOEXEC);
	assert_int_equal(ftruncate(f->fd, 2 * PAGE + 2 * BYTES), 0);
	f->mem = mmap(NULL, 2 * PAGE + BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
	assert_ptr_not_equal(f->mem, MAP_FAILED);
	assert_int_equal(ring_open(&f->k.ring, f->fd, BYTES), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fake *f = *state;

	ring_close(&f->k.ring);
	munmap(f->mem, 2 * PAGE + BYTES);
	close(f->fd);
	free(f);
	return 0;
}

/** What the callback saw. */
struct seen {
	uint32_t types[16];
	int n;
	int stop_at;	  /* number of calls after which it returns 7; 0: never */
	struct fake *add; /* where it puts one more record, as the kernel might */
};

static int see(void *ctx, const struct kevent *ev)
{
	struct seen *s = ctx;

	s->types[s->n++] = ev->type;
	if (s->add)
		put(s->add, 99, 0);
	return s->n == s->stop_at ? 7 : 0;
}

static void test_order(void **state)
{
	struct fake *f = *state;
	struct seen s = { 0 };

	assert_false(kern__pending(&f->k));
	put(f, 1, 0);
	put(f, 2, 0);
	assert_true(kern__pending(&f->k));
	assert_int_equal(kern__drain(&f->k, see, &s), 2);
	assert_int_equal(s.types[0], 1);
	assert_int_equal(s.types[1], 2);
	assert_false(kern__pending(&f->k));
	assert_int_equal(kern__drain(&f->k, see, &s), 0);
}

static void test_bound(void **state)
{
	struct fake *f = *state;
	struct seen s = { .add = f };

	put(f, 1, 0);
	put(f, 2, 0);
	assert_int_equal(kern__drain(&f->k, see, &s), 2);
	assert_true(kern__pending(&f->k));
}

static void test_discarded(void **state)
{
	struct fake *f = *state;
	struct seen s = { 0 };

	put(f, 1, BPF_RINGBUF_DISCARD_BIT);
	put(f, 2, 0);
	assert_int_equal(kern__drain(&f->k, see, &s), 1);
	assert_int_equal(s.types[0], 2);
}

/* A record that is never completed ends the draining, after a while; it comes once it is complete. */
static void test_busy(void **state)
{
	struct fake *f = *state;
	struct seen s = { 0 };
	uint32_t *head;

	put(f, 1, 0);
	head = put(f, 2, BPF_RINGBUF_BUSY_BIT);
	put(f, 3, 0);
	assert_int_equal(kern__drain(&f->k, see, &s), 1);
	assert_true(kern__pending(&f->k));
	*head &= ~BPF_RINGBUF_BUSY_BIT;
	assert_int_equal(kern__drain(&f->k, see, &s), 2);
	assert_int_equal(s.types[2], 3);
}

static void test_stop(void **state)
{
	struct fake *f = *state;
	struct seen s = { .stop_at = 1 };

	put(f, 1, 0);
	put(f, 2, 0);
	assert_int_equal(kern__drain(&f->k, see, &s), 7);
	s.stop_at = 0;
	assert_int_equal(kern__drain(&f->k, see, &s), 1);
	assert_int_equal(s.types[1], 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bound, setup, teardown),
		cmocka_unit_test_setup_teardown(test_discarded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_busy, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stop, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
