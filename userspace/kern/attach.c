// SPDX-License-Identifier: MIT
/* attach.c: attaches the loaded programs, each by the way its hook's name begins with. */
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kern/state.h"

/* The program runs on every processor, though the perf event is bound to one: it hangs on the tracepoint. */
static struct bpf_link *attach_tracepoint(struct kern *k, int i)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_TRACEPOINT, .size = sizeof(attr) };
	int id = tracefs_id(k->tracefs, k->hooks[i].name + strlen("tracepoint/"));
	struct bpf_link *link;
	int err;

	if (id < 0) {
		errno = -id;
		return NULL;
	}
	attr.config = id;
	k->perf_fds[i] = syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	if (k->perf_fds[i] < 0)
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
	errno = ENOENT;
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

void kern_attach(struct kern *k)
{
	for (int i = 0; i < KHOOK_MAX; i++)
		if (!is_compat(i))
			attach(k, i);
}

void kern_attach_compat(struct kern *k)
{
	struct kcompat *c = kern_compat(k);

	if (!__atomic_load_n(&c->seen, __ATOMIC_RELAXED) || k->compat_tried)
		return;
	k->compat_tried = true;
	attach(k, KHOOK_compat_enter);
	attach(k, KHOOK_compat_exit);
	if (k->links[KHOOK_compat_enter] && k->links[KHOOK_compat_exit])
		__atomic_store_n(&c->active, 1, __ATOMIC_RELEASE);
}
