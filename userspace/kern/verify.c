// SPDX-License-Identifier: MIT
/*
 * verify.c: see verify.h.
 *
 * Nearly all of what loading takes is the kernel's verification, and two threads may have programs verified at the same time: callers
 * with privileges share no lock there (bpf_check, kernel/bpf/verifier.c, since 5.2). But libbpf loads an object's programs one
 * after the other, and only it can make the instructions and what goes with them. So it makes them, and just before each is loaded
 * it lets us have them (prog_prepare_load_fn) and loads two instructions instead, which takes 0.1 ms. Then two threads load the
 * real ones, and each of these takes the place of the other in the program's descriptor.
 *
 * How long a program takes can't be known before, but is roughly as its number of instructions, 2 us each (6.18). Both threads take the
 * largest that is left, so neither waits long for the other at the end. An object of its own for each thread would have to be
 * divided before that number is known: most instructions are those of subprograms, which libbpf appends when it loads.
 */
#include "kern/verify.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bprec/khook.h"

/** A program that was put off. */
struct job {
	struct bpf_program *prog;
	struct bpf_insn *insns; /* a copy; owned */
	size_t n;		/* of insns */
	/* what it points to belongs to prog, and stays until the object is closed */
	struct bpf_prog_load_opts opts;
	int fd; /* of the real program, or the -errno of its refusal; valid when it was loaded */
};

/** Programs of one load. */
struct batch {
	struct job jobs[KHOOK_MAX];   /* in the order of libbpf */
	struct job *order[KHOOK_MAX]; /* the same, largest first */
	size_t n;		      /* of both */
	size_t next;		      /* of order; both threads count it up */
};

/* Of the load that is under way: libbpf hands nothing of ours to its callbacks. NULL: nothing is put off. */
static __thread struct batch *batch_now;

static bool second_processor(void)
{
	cpu_set_t cpus;

	return !sched_getaffinity(0, sizeof(cpus), &cpus) && CPU_COUNT(&cpus) > 1;
}

void verify_begin(void)
{
	batch_now = second_processor() ? calloc(1, sizeof(*batch_now)) : NULL;
}

int verify_put_off(struct bpf_program *prog, struct bpf_prog_load_opts *opts)
{
	struct bpf_insn nothing[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	const size_t bytes = bpf_program__insn_cnt(prog) * sizeof(struct bpf_insn);
	struct job *job;

	if (!batch_now || batch_now->n == KHOOK_MAX)
		return 0;
	job = &batch_now->jobs[batch_now->n];
	job->insns = malloc(bytes);
	if (!job->insns)
		return 0;
	memcpy(job->insns, bpf_program__insns(prog), bytes);
	job->n = bpf_program__insn_cnt(prog);
	job->prog = prog;
	memcpy(&job->opts, opts, opts->sz < sizeof(job->opts) ? opts->sz : sizeof(job->opts));
	job->opts.sz = sizeof(job->opts); /* that of a newer libbpf is larger */
	batch_now->n++;
	opts->func_info_cnt = opts->line_info_cnt = 0; /* they would be of other instructions */
	return bpf_program__set_insns(prog, nothing, sizeof(nothing) / sizeof(*nothing));
}

static void load(struct job *job)
{
	job->fd = bpf_prog_load(bpf_program__type(job->prog), bpf_program__name(job->prog), "GPL",
				job->insns, job->n, &job->opts);
	if (job->fd < 0)
		job->fd = -errno;
}

/* What each of the threads does. */
static void *work(void *arg)
{
	struct batch *b = arg;
	size_t i;

	while ((i = __atomic_fetch_add(&b->next, 1, __ATOMIC_RELAXED)) < b->n)
		load(b->order[i]);
	return NULL;
}

/* Signals are for the thread that was there before. */
static bool start_helper(pthread_t *ret_helper, struct batch *b)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(ret_helper, NULL, work, b);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return !err;
}

static int larger_first(const void *a, const void *b)
{
	const struct job *x = *(struct job *const *)a, *y = *(struct job *const *)b;

	return (x->n < y->n) - (x->n > y->n);
}

/* Loads all. */
static void load_batch(struct batch *b)
{
	pthread_t helper;
	bool helped;

	for (size_t i = 0; i < b->n; i++)
		b->order[i] = &b->jobs[i];
	qsort(b->order, b->n, sizeof(*b->order), larger_first);
	helped = b->n > 1 && start_helper(&helper, b);
	work(b);
	if (helped)
		pthread_join(helper, NULL);
}

/* Closes the descriptor that a program was loaded as; in_place: once the program's own is the same. 0 or -errno. */
static int settle(struct job *job, bool in_place)
{
	int err = job->fd < 0 ? job->fd : 0;

	if (!err && in_place && dup3(job->fd, bpf_program__fd(job->prog), O_CLOEXEC) < 0)
		err = -errno;
	if (job->fd >= 0)
		close(job->fd);
	return err;
}

int verify_end(int err)
{
	struct batch *b = batch_now;

	batch_now = NULL;
	if (!b)
		return err;
	if (!err) {
		load_batch(b);
		for (size_t i = 0; i < b->n; i++)
			err = settle(&b->jobs[i], !err) ?: err;
	}
	for (size_t i = 0; i < b->n; i++)
		free(b->jobs[i].insns);
	free(b);
	return err;
}
