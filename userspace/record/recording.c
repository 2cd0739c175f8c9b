/* SPDX-License-Identifier: MIT */
/*
 * recording.c: a recording from its start to its end.
 *
 * Order of the start: BPF is loaded (that needs root), then bprec becomes the user asked for, then the trace is made, then
 * the command is launched, held before its exec until the kernel counts it as the tree's root. Order of the end: nothing
 * of the tree is left; what the ring buffer still holds is read; losses are written; then the manifest.
 */
#include "record/recording.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <asm/unistd.h>

#include <Judy.h>

#include "model/files.h"
#include "record/about.h"
#include "record/affinity.h"
#include "record/calls.h"
#include "record/dispatch.h"
#include "record/emit.h"
#include "record/events.h"
#include "record/exec.h"
#include "record/image.h"
#include "record/look.h"
#include "record/object.h"
#include "record/order.h"
#include "record/outside.h"
#include "record/patch.h"
#include "record/rearm.h"
#include "record/recorder.h"
#include "record/stacks.h"
#include "record/start.h"
#include "record/tree.h"
#include "record/who.h"
#include "tracee/tracee.h"
#include "util/err.h"

/** Becomes the user that the recording is for. */
static int become_user(const struct record_opts *o)
{
	if (!o->drop_user)
		return 0;
	if (initgroups(o->user, o->gid) || setgid(o->gid) || setuid(o->uid))
		return err__set(-errno, "becoming user %s: %s", o->user, strerror(errno));
	/* a process that changed its user can't be traced by that user otherwise (man 2 ptrace) */
	prctl(PR_SET_DUMPABLE, 1);
	return 0;
}

static int open_kernel(struct recorder *r, const char **why)
{
	const struct kern_opts ko = {
		.disable = r->opts->disable_hook,
		.tree = r->watch,
		.sums = true,
		.few_faults = r->opts->rearm == REARM_NONE,
		.drops = r->opts->drop_user,
	};
	int err = kern__open(&r->k, &ko, why);

	if (!err)
		return 0;
	r->k = NULL;
	if (!*why || !**why)
		*why = strerror(-err);
	if (r->opts->require_observation || r->watch)
		return err__set(err, "the kernel can't be observed: %s", *why);
	recorder__warn(r, "recording without observation: %s; the verdict will be 'uncertain'",
		       *why);
	return 0;
}

static int add_to_tree(void *ctx, pid_t pid)
{
	struct recorder *r = ctx;

	return r->k ? kern__tree_add(r->k, pid) : 0;
}

static bool is_plain(uint32_t nr)
{
	const struct sys_call *c = sys__lookup(nr);

	if (nr == __NR_truncate || nr == __NR_creat)
		return false; /* they may change what others map: stores.c looks before */
	return c && c->sysclass == SYS_CLASS_PLAIN;
}

static bool is_output(uint32_t nr)
{
	return sys__output_arg(nr) >= 0;
}

void recording__raise_file_limit(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl))
		return;
	rl.rlim_cur = rl.rlim_max;
	setrlimit(RLIMIT_NOFILE, &rl);
}

static bool is_busy(const struct recorder *r)
{
	return affinity__busy(r) || outside__busy(r);
}

static int launch(struct recorder *r)
{
	const struct tracee_launch l = {
		.argv = r->opts->argv,
		.envp = r->opts->envp,
		.plain = is_plain,
		.output = is_output,
		.nr_max = SYS_NR_MAX,
		.tsc_fault = r->tsc_fault,
		.call_log = r->log_calls,
	};
	pid_t pid;
	int err = tracee__launch(&l, add_to_tree, r, &pid);

	if (err)
		return err;
	recording__raise_file_limit();
	err = tree__root(r, pid);
	if (!err)
		affinity__start(r, rtask__find(r, pid));
	return err ? err : exec__stop(r, rtask__find(r, pid));
}

static int loop(struct recorder *r)
{
	struct rec_event ev;
	int err;

	do {
		err = next_event(r, &ev);
		if (!err)
			err = dispatch_event(r, &ev);
	} while (!err && ev.type != REV_END);
	return err;
}

/** Kills what is left, and takes its remains. A killed tracee still stops at PTRACE_EVENT_EXIT. */
static void put_down(struct recorder *r)
{
	int status;
	pid_t pid;

	tree__kill(r);
	while ((pid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR) {
		if (pid > 0 && WIFSTOPPED(status)) {
			kill(pid, SIGKILL);
			ptrace(PTRACE_CONT, pid, 0, 0);
		}
	}
}

/** Kernel records that came after the last stop. */
static int last_records(struct recorder *r)
{
	int err = events__drain(r);

	while (!err && r->kq_at < r->kq_n) {
		const struct kevent ke = r->kq[r->kq_at++];

		err = outside__event(r, &ke);
	}
	return err ? err : outside__progress(r);
}

int recording__finish(struct recorder *r, struct record_result *ret)
{
	const struct ev_end ev = { r->end_kind, r->end_code };
	int err = last_records(r);

	if (!err)
		err = outside__finish(r);
	if (!err)
		err = emit(r, EV_END, NULL, &ev, sizeof(ev), NULL, 0);
	if (!err) {
		err = writer__finish(r->w, r->end_kind, r->end_code);
		if (err)
			recorder__fail(r, err, "writing the trace");
	}
	ret->complete = !err;
	return err;
}

void recording__free(struct recorder *r)
{
	struct task *t, *tmp;
	struct aspace *s, *stmp;

	events__stop(r);
	home__close(&r->home);
	HASH_ITER (hh, r->tasks, t, tmp) {
		rtask__free(r, t);
	}
	HASH_ITER (hh, r->spaces, s, stmp) {
		HASH_DEL(r->spaces, s);
		free(s->gone);
		free(s);
	}
	Judy1FreeArray(&r->numbers, PJE0);
	who__free(r);
	about__free(r);
	stacks__free(r);
	codefile__free(r);
	object__free_all(r);
	patch__free(r);
	writer__free(r->w);
	model__free(r->m);
	files__free(r->files);
	kern__close(r->k);
}

int recording__open(struct recorder *r)
{
	const char *why = NULL;
	int err = open_kernel(r, &why);

	if (!err)
		err = become_user(r->opts);
	if (!err && r->opts->prepare)
		err = r->opts->prepare(r->opts->ctx);
	if (err)
		return err;
	r->tsc_fault = !r->opts->no_tsc_fault && tracee__tsc_faults();
	r->log_calls = !r->opts->no_call_log && r->opts->checksum != CHECKSUM_ALL;
	r->m = model__new();
	if (!r->m)
		return err__set(-ENOMEM, "no memory");
	err = r->watch ? 0 : order__start(r);
	if (err)
		return err__set(err, "no memory");
	if (r->opts->give_trace && !r->opts->drop_user)
		err = writer__new_for(&r->w, r->opts->dir, r->opts->owner_uid, r->opts->owner_gid);
	else
		err = writer__new(&r->w, r->opts->dir);
	if (err)
		return err__set(err, "%s: %s", r->opts->dir, strerror(-err));
	err = start__write(r, why);
	if (!err)
		err = rearm__start(r);
	look__start(r);
	return err;
}

int record__run(const struct record_opts *opts, struct record_result *ret)
{
	struct recorder r = {
		.opts = opts,
		.asks = { outside__holds, is_busy, calls__exit },
	};
	int err;

	tracee__save_signals();
	*ret = (struct record_result){ 0 };
	err = image__check(opts->argv[0]);
	if (err) {
		ret->not_executed = true;
		return err;
	}
	err = recording__open(&r);
	ret->observed = r.k != NULL;
	if (err)
		goto out;
	err__clear();
	err = launch(&r);
	if (err) {
		ret->not_executed = !r.root && !*err__text();
		goto out;
	}
	err = events__start(&r);
	if (!err)
		err = loop(&r);
	if (!err)
		err = recording__finish(&r, ret);
	ret->end_kind = r.end_kind;
	ret->end_code = r.end_code;
out:
	if (err && r.root > 0)
		put_down(&r);
	if (err)
		ret->end_kind = r.root > 0 ? END_FAILED : 0;
	recording__free(&r);
	return err;
}
