// SPDX-License-Identifier: MIT
/*
 * iter.c: lists that the kernel makes on demand, and an object's counters.
 *
 * A list for one process is asked for with a link of its own that is bound to the process (since 6.1); where that is
 * refused, the whole list is run through and the program skips the others. The links for whole lists were made by
 * kern__open, with its privileges.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "kern/state.h"

/* A descriptor that yields the list of iterator `hook`; pid 0: of all processes. Descriptor or -errno. */
static int iter_start(struct kern *k, int hook, int pid)
{
	union bpf_iter_link_info info = { .task.pid = pid };
	LIBBPF_OPTS(bpf_link_create_opts, opts, .iter_info = &info, .iter_info_len = sizeof(info));
	int link = -1, fd;

	if (!k->links[hook])
		return -EOPNOTSUPP;
	if (pid)
		link = bpf_link_create(bpf_program__fd(k->progs[hook]), 0, BPF_TRACE_ITER, &opts);
	fd = bpf_iter_create(link >= 0 ? link : bpf_link__fd(k->links[hook]));
	if (fd < 0)
		fd = -errno;
	if (link >= 0)
		close(link);
	return fd;
}

/* Reads a list to its end and passes on each record. */
static int iter_run(struct kern *k, int hook, int pid, kern_hold_fn fn, void *ctx)
{
	struct khold buf[32];
	size_t have = 0;
	ssize_t n;
	int err = 0, fd = iter_start(k, hook, pid);

	if (fd < 0)
		return fd;
	while (!err && (n = read(fd, (char *)buf + have, sizeof(buf) - have)) != 0) {
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n < 0) {
			err = -errno;
			break;
		}
		have += n;
		size_t whole = have / sizeof(*buf);
		for (size_t i = 0; i < whole && !err; i++)
			err = fn(ctx, &buf[i]);
		have -= whole * sizeof(*buf);
		__builtin_memmove(buf, &buf[whole], have);
	}
	close(fd);
	return err;
}

static int ignore(void *ctx, const struct khold *h)
{
	(void)ctx;
	(void)h;
	return 0;
}

int kern__tree_add(struct kern *k, int pid)
{
	struct kiter_args *args = kern_iter_args(k);
	int err;

	*args = (struct kiter_args){ .pid = pid };
	err = iter_run(k, KHOOK_iter_tree_add, pid, ignore, NULL);
	if (err)
		return err;
	return args->found ? 0 : -ESRCH;
}

int kern__sharer(struct kern *k, int pid, char comm[16])
{
	struct kiter_args *args = kern_iter_args(k);
	int err = kern__tree_add(k, pid);
	const uint64_t mm = args->mm;

	if (err || !mm)
		return err;
	*args = (struct kiter_args){ .mm = mm };
	err = iter_run(k, KHOOK_iter_tree_add, 0, ignore, NULL);
	memcpy(comm, args->comm, sizeof(args->comm));
	return err ? err : (int)args->sharer;
}

void iter_find_compat(struct kern *k)
{
	*kern_iter_args(k) = (struct kiter_args){ 0 };
	iter_run(k, KHOOK_iter_tree_add, 0, ignore, NULL);
}

int kern__watch_process(struct kern *k, int pid, kern_hold_fn fn, void *ctx)
{
	*kern_iter_args(k) = (struct kiter_args){ .pid = pid };
	return iter_run(k, KHOOK_iter_watch, pid, fn, ctx);
}

static int list_mapped(struct kern *k, uint64_t object, int pid, kern_hold_fn fn, void *ctx)
{
	*kern_iter_args(k) = (struct kiter_args){ .object = object };
	return iter_run(k, KHOOK_iter_hold_vma, pid, fn, ctx);
}

static int list_held(struct kern *k, uint64_t object, int pid, kern_hold_fn fn, void *ctx)
{
	int err = list_mapped(k, object, pid, fn, ctx);

	if (err)
		return err;
	return iter_run(k, KHOOK_iter_hold_file, pid, fn, ctx);
}

int kern__mappers(struct kern *k, uint64_t object, kern_hold_fn fn, void *ctx)
{
	return list_mapped(k, object, 0, fn, ctx);
}

int kern__holders(struct kern *k, uint64_t object, kern_hold_fn fn, void *ctx)
{
	return list_held(k, object, 0, fn, ctx);
}

int kern__held_by(struct kern *k, int pid, kern_hold_fn fn, void *ctx)
{
	return list_held(k, 0, pid, fn, ctx);
}

/* Runs a program on an argument, which gets its answer. 0 or -errno. */
static int run(struct kern *k, int hook, void *arg, size_t size)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = arg, .ctx_size_in = size);

	if (!k->progs[hook])
		return -EOPNOTSUPP;
	return bpf_prog_test_run_opts(bpf_program__fd(k->progs[hook]), &opts) ? -errno : 0;
}

int kern__pins(struct kern *k, uint64_t object, uint64_t first, uint64_t n, struct kpins *ret)
{
	struct kpins p = { .object = object, .first = first, .n = n };
	int err = run(k, KHOOK_object_pins, &p, sizeof(p));

	if (!err && !p.error &&
	    p.pinned) /* the pages are looked at without a lock: what is so stays so */
		err = run(k, KHOOK_object_pins, &p, sizeof(p));
	*ret = p;
	return err ? err : p.error;
}

static int counters(struct kern *k, struct kcounters *c)
{
	int err;

	c->error = -EOPNOTSUPP;
	err = run(k, KHOOK_object_counters, c, sizeof(*c));
	return err ? err : c->error;
}

int kern__counters(struct kern *k, uint64_t object, struct kern_counters *ret)
{
	struct kcounters c = { .object = object };
	const int err = counters(k, &c);

	if (err)
		return err;
	ret->size = c.size;
	ret->writecount = c.writecount;
	ret->mmap_writable = c.mmap_writable;
	return 0;
}

int kern__shows(struct kern *k, int fd, uint64_t object)
{
	struct kcounters c = { .object = object, .fd = fd + 1 };
	const int err = counters(k, &c);

	return err ? err : c.shown == object;
}

int kern__watch_below(struct kern *k, int fd, uint64_t *ret_object)
{
	struct kcounters c = { .fd = fd + 1 };
	const int err = counters(k, &c);

	*ret_object = c.shown;
	return err;
}

void kern__calm(struct kern *k, int pid)
{
	const uint32_t key = pid;

	bpf_map_delete_elem(kern_map_stirred(k), &key);
}

int kern__unwatch(struct kern *k, uint64_t object)
{
	const int err = bpf_map_delete_elem(kern_map_watched(k), &object) ? -errno : 0;

	kern_forget_faults(k);
	return err;
}
