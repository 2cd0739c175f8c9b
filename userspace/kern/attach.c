// SPDX-License-Identifier: MIT
/*
 * attach.c: attaches the loaded programs, each by the way its hook's name begins with.
 *
 * Most are attached when the observation begins, and what could not be is in its list of hooks. Those for 32-bit processes,
 * and those that matter only once an outsider can write, cost other processes something: they wait until they are needed, and are
 * loaded only then, too. If that fails then, it is a loss (kern__losses), because the list is in the trace already. perf_event_open(2).
 */
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kern/state.h"

/* Opens the event of a classic tracepoint: k->perf_fds[i]. Descriptor, or -1 with errno. */
static int open_tracepoint(struct kern *k, int i, bool later)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attr),
		.disabled = later,
	};
	int id = tracefs_id(k->tracefs, k->hooks[i].name + strlen("tracepoint/"));

	if (id < 0) {
		errno = -id;
		return -1;
	}
	attr.config = id;
	k->perf_fds[i] = syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	return k->perf_fds[i];
}

/* The program runs on every processor, though the perf event is bound to one: it hangs on the tracepoint. */
static struct bpf_link *attach_tracepoint(struct kern *k, int i)
{
	struct bpf_link *link;
	int err;

	if (open_tracepoint(k, i, false) < 0)
		return NULL;
	link = bpf_program__attach_perf_event(k->progs[i], k->perf_fds[i]);
	if (link)
		return link;
	err = errno;
	close(k->perf_fds[i]);
	k->perf_fds[i] = -1;
	errno = err;
	return NULL;
}

/* One hook. */
static void attach(struct kern *k, int i)
{
	struct kern_hook *h = &k->hooks[i];

	if (h->state != HOOK_ATTACHED || k->links[i] || !strncmp(h->name, "syscall/", 8))
		return;
	errno = k->later_error ?: ENOENT;
	if (!k->progs[i])
		k->links[i] = NULL;
	else if (!strncmp(h->name, "tracepoint/", 11))
		k->links[i] = attach_tracepoint(k, i);
	else if (!strncmp(h->name, "iter/", 5))
		k->links[i] = bpf_program__attach_iter(k->progs[i], NULL);
	else
		k->links[i] = bpf_program__attach_trace(k->progs[i]);
	if (!k->links[i]) {
		h->state = HOOK_FAILED;
		h->error = errno;
	}
}

/* Those that cost every system call on the machine, and are needed only while there are 32-bit processes. */
static bool is_compat(int i)
{
	return i == KHOOK_compat_enter || i == KHOOK_compat_exit;
}

bool kern_is_late(int i)
{
	return i >= KHOOK_enter_read && i <= KHOOK_exit_pidfd_getfd;
}

enum kern_when kern_when_loaded(const struct kern *k, int hook)
{
	if (!k->opens_late)
		return WHEN_NOW;
	return is_compat(hook) ? WHEN_COMPAT : kern_is_late(hook) ? WHEN_HELD : WHEN_NOW;
}

/* Prepares what attach_late will do without privileges. With them an event is opened when it is needed: open, disabled or not,
 * it makes every call on the machine take the long way (TIF_SYSCALL_TRACEPOINT), and closing two dozen takes half a second
 * (6.18), for which the next recording's opening waits. */
static void prepare(struct kern *k, int i)
{
	struct kern_hook *h = &k->hooks[i];

	if (k->opens_late || h->state != HOOK_ATTACHED || open_tracepoint(k, i, true) >= 0)
		return;
	h->state = HOOK_FAILED;
	h->error = errno;
}

int kern_attach(struct kern *k)
{
	int refused = 0;

	/* choke points need no others for 32-bit processes */
	if (k->hooks[KHOOK_compat_enter].state == HOOK_SPARE)
		__atomic_store_n(&kern_compat(k)->active, 1, __ATOMIC_RELEASE);
	for (int i = 0; i < KHOOK_MAX; i++) {
		if (kern_is_late(i))
			prepare(k, i);
		else if (!is_compat(i))
			attach(k, i);
		if (k->hooks[i].state != HOOK_FAILED || !tier_is_choke(i) || k->refused[i])
			continue;
		k->refused[i] = k->hooks[i].error;
		refused++;
	}
	return refused;
}

/* Loads what wasn't; what can't be is missed by attaching. */
static void load_now(struct kern *k, enum kern_when when)
{
	if (k->opens_late && !k->later[when])
		k->later_error = -kern_load_later(k, when);
}

static int attach_now(struct kern *k, int i)
{
	if (k->late_refused && !strcmp(k->late_refused, k->hooks[i].name)) {
		errno = EPERM;
		return -1;
	}
	if (!k->progs[i]) {
		errno = k->later_error;
		return -1;
	}
	if (k->opens_late)
		open_tracepoint(k, i, true);
	return k->perf_fds[i] < 0 ? -1
				  : ioctl(k->perf_fds[i], PERF_EVENT_IOC_SET_BPF,
					  bpf_program__fd(k->progs[i]));
}

/* Without privileges by now the events are open since the beginning, and disabled: a program that is set runs all the same
 * (trace_call_bpf comes first in perf_syscall_enter, kernel/trace/trace_syscalls.c). */
static bool attach_late(struct kern *k)
{
	struct klate *late = kern_late(k);

	if (!__atomic_load_n(&late->wanted, __ATOMIC_RELAXED) || late->active)
		return false;
	load_now(k, WHEN_HELD);
	for (int i = 0; i < KHOOK_MAX; i++) {
		if (!kern_is_late(i) || k->hooks[i].state != HOOK_ATTACHED)
			continue;
		if (attach_now(k, i)) {
			k->hooks[i].state = HOOK_FAILED;
			k->hooks[i].error = errno;
			k->late_failed[i] =
				true; /* a loss: the list of hooks is in the trace already */
		}
	}
	late->active = 1;
	return k->opens_late;
}

static bool attach_compat(struct kern *k)
{
	struct kcompat *c = kern_compat(k);

	if (!__atomic_load_n(&c->seen, __ATOMIC_RELAXED) || k->compat_tried)
		return false;
	k->compat_tried = true;
	if (k->hooks[KHOOK_compat_enter].state == HOOK_ATTACHED)
		load_now(k, WHEN_COMPAT);
	attach(k, KHOOK_compat_enter);
	attach(k, KHOOK_compat_exit);
	if (k->links[KHOOK_compat_enter] && k->links[KHOOK_compat_exit])
		__atomic_store_n(&c->active, 1, __ATOMIC_RELEASE);
	return true;
}

void kern_attach_needed(struct kern *k)
{
	const bool compat = attach_compat(k), late = attach_late(k);

	if ((compat || late) && k->keeper_pipe >= 0)
		keeper_start(k);
}
