/* SPDX-License-Identifier: MIT */
/*
 * observe.c: the trial of the channels.
 *
 * The trial's process opens the observation. A child of it is the outsider (what the observer itself does is left out by
 * the programs). On each filesystem where it can have a scratch file, a child of its own becomes an insider and maps
 * the file, so that it is watched. Then it makes one change after the other, and after each reads the ring buffer up
 * to its end. Events of calls are in the ring when the call returns (the programs run in the caller), so there is
 * nothing to wait for.
 *
 * Invariants: scratch files lose their names at once; nothing is mounted; all processes go with the trial.
 */
#include "probe/observe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kern/kern.h"
#include "probe/puppet.h"
#include "util/names.h"

/* Some seventy programs; loading one takes 0.3 s where the machine itself is emulated. */
#define OBSERVE_TIMEOUT_MS 90000

const op_fn observe_ops[CH_MAX] = {
	[CH_WRITE] = op__write,
	[CH_PWRITE] = op__pwrite,
	[CH_WRITEV] = op__writev,
	[CH_PWRITEV] = op__pwritev,
	[CH_SENDFILE] = op__sendfile,
	[CH_SPLICE] = op__splice,
	[CH_VMSPLICE] = op__vmsplice,
	[CH_COPY_FILE_RANGE] = op__copy_file_range,
	[CH_CLONE] = op__clone,
	[CH_DEDUPE] = op__dedupe,
	[CH_IO_URING] = op__io_uring,
	[CH_AIO] = op__aio,
	[CH_FALLOCATE] = op__fallocate,
	[CH_MADVISE_REMOVE] = op__madvise_remove,
	[CH_TRUNCATE] = op__truncate,
	[CH_OPEN_TRUNC] = op__open_trunc,
	[CH_DIRECT_WRITE] = op__direct_write,
	[CH_READ_INTO_MAPPING] = op__read_into_mapping,
	[CH_MMAP_STORE] = op__mmap_store,
	[CH_REMOTE_MEMORY] = op__remote_memory,
	[CH_PTRACE] = op__ptrace,
	[CH_PROC_MEM] = op__proc_mem,
	[CH_USERFAULTFD] = op__userfaultfd,
};

/* A private page of every process of the trial: the insider's copy is what remote writes go to. */
static char victim[4096] __attribute__((aligned(4096)));

/** What the observation showed of one change. */
struct watcher {
	enum channel channel;
	const struct op *op; /* NULL: everything is ignored */
	struct attempt *attempt;
};

const char *observe__fs_name(unsigned long magic)
{
	static const struct {
		unsigned long magic;
		const char *name;
	} names[] = {
		{ TMPFS_MAGIC, "tmpfs" },
		{ EXT4_SUPER_MAGIC, "ext4" },
		{ XFS_SUPER_MAGIC, "xfs" },
		{ BTRFS_SUPER_MAGIC, "btrfs" },
		{ OVERLAYFS_SUPER_MAGIC, "overlayfs" },
		{ V9FS_MAGIC, "9p" },
		{ NFS_SUPER_MAGIC, "nfs" },
		{ F2FS_SUPER_MAGIC, "f2fs" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (names[i].magic == magic)
			return names[i].name;
	return "?";
}

/* How well an event that announces a range tells the change. */
static enum probe_seen judge_range(const struct kevent *ev, const struct op *o)
{
	const uint64_t end = ev->length > ~ev->offset ? ~0ull : ev->offset + ev->length;
	const uint64_t op_end = o->len > ~o->off ? ~0ull : o->off + o->len;

	if (ev->flags & KEVF_RANGE_UNKNOWN)
		return SEEN_PAGE; /* the whole object is looked at */
	if (ev->offset == o->off && end == op_end)
		return SEEN_EXACT;
	return ev->offset <= o->off && end >= op_end ? SEEN_PAGE : SEEN_NO;
}

static enum probe_seen judge(const struct kevent *ev, const struct watcher *w)
{
	const bool direct = w->channel == CH_DIRECT_WRITE && (ev->flags & KEVF_DIRECT);

	switch (ev->type) {
	case KEV_BEGIN:
	case KEV_END:
	case KEV_REMOTE:
		return ev->channel == w->channel || direct ? judge_range(ev, w->op) : SEEN_NO;
	case KEV_FAULT:
	case KEV_DIRTY:
		/* A folio may be larger than a page; what counts is that it holds the change. */
		return judge_range(ev, w->op) != SEEN_NO ? SEEN_PAGE : SEEN_NO;
	default:
		return SEEN_NO;
	}
}

static const char *type_name(unsigned int type)
{
	switch (type) {
	case KEV_BEGIN:
		return "begin";
	case KEV_END:
		return "end";
	case KEV_REMOTE:
		return "remote";
	case KEV_FAULT:
		return "page fault";
	case KEV_DIRTY:
		return "dirtied";
	default:
		return "?";
	}
}

static int on_event(void *ctx, const struct kevent *ev)
{
	struct watcher *w = ctx;

	if (!w->op || (ev->flags & KEVF_INSIDER))
		return 0;
	const enum probe_seen seen = judge(ev, w);

	if (seen <= w->attempt->seen)
		return 0;
	w->attempt->seen = seen;
	snprintf(w->attempt->event, sizeof(w->attempt->event), "%s, %s", type_name(ev->type),
		 channel_name(ev->channel));
	return 0;
}

/* Fills both files anew: the last change may have cut one. In one piece, so that where a filesystem has large folios
 * the file is made of them: the harder case for page faults. */
static int refill(const struct op *o)
{
	static char all[OPS_FILE_SIZE];

	memset(all, 'a', sizeof(all));
	if (pwrite(o->fd, all, sizeof(all), 0) != (ssize_t)sizeof(all))
		return -EIO;
	memset(all, 'b', sizeof(all));
	if (pwrite(o->src, all, sizeof(all), 0) != (ssize_t)sizeof(all))
		return -EIO;
	return 0;
}

/* Makes the change of one channel and notes what was seen of it. */
static void attempt(struct kern *k, const struct op *base, enum channel ch, struct attempt *ret)
{
	struct op o = *base;
	struct watcher w = { .channel = ch, .attempt = ret };
	int err = refill(&o);

	if (err) {
		ret->refused = -err;
		return;
	}
	kern__drain(k, on_event, &w);
	o.off = (uint64_t)ch * 4096;
	err = observe_ops[ch](&o);
	w.op = &o;
	kern__drain(k, on_event, &w);
	ret->done = err == 0;
	ret->refused = -err;
}

static int on_hold(void *ctx, const struct khold *h)
{
	struct observed_scratch *s = ctx;

	if (h->tgid != (unsigned int)getpid())
		return 0;
	if (h->start)
		s->held_map = true;
	else
		s->held_fd = true;
	return 0;
}

/* A file without a name in dir. Descriptor or -errno. */
static int scratch_file(const char *dir)
{
	char name[128];
	int fd;

	snprintf(name, sizeof(name), "%s/.bprec-probe-XXXXXX", dir);
	fd = mkostemp(name, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	unlink(name);
	return ftruncate(fd, OPS_FILE_SIZE) < 0 ? -errno : fd;
}

/* The insider's life: waits to be in the tree, maps the file, says so. */
static void live_inside(const struct op *o, int go, int ready)
{
	char byte;

	if (read(go, &byte, 1) != 1)
		_exit(1);
	victim[0] = 1;
	const volatile char *map = mmap(NULL, OPS_FILE_SIZE, PROT_READ, MAP_SHARED, o->fd, 0);

	if (map == MAP_FAILED || map[0] != 'a' || write(ready, "", 1) != 1)
		_exit(1);
	pause();
	_exit(0);
}

/* Makes the insider. 0 or -errno. */
static int start_insider(struct kern *k, struct op *o)
{
	int go[2], ready[2];
	char byte;
	int err;

	if (pipe2(go, O_CLOEXEC) < 0 || pipe2(ready, O_CLOEXEC) < 0)
		return -errno;
	o->insider = trial__fork();
	if (o->insider < 0)
		return o->insider;
	if (o->insider == 0) {
		close(ready[0]);
		live_inside(o, go[0], ready[1]);
	}
	close(ready[1]);
	err = kern__tree_add(k, o->insider);
	if (err)
		return err;
	if (write(go[1], "", 1) != 1 || read(ready[0], &byte, 1) != 1)
		return -EIO;
	return 0;
}

static int sleep_on(void *arg)
{
	(void)arg;
	return pause();
}

/* Makes the outsider whose memory a debugger changes. It has our mapping, and is stopped. Without one (a process under
 * strace can't be traced again) there is no trial of that channel. */
static void start_helper(struct op *o)
{
	struct puppet p;
	struct trial t;

	if (!puppet__start(&p, &t, 0, sleep_on, NULL))
		return;
	if (ptrace(PTRACE_INTERRUPT, p.pid, 0, 0) == 0 && puppet__wait(&p) >= 0)
		o->helper = p.pid;
}

/* Prepares scratch files and processes. 0 or -errno. */
static int prepare(struct kern *k, struct op *o, const char *dir)
{
	int err;

	memset(o, 0, sizeof(*o));
	o->victim = victim;
	o->fd = scratch_file(dir);
	o->src = scratch_file(dir);
	if (o->fd < 0 || o->src < 0)
		return o->fd < 0 ? o->fd : o->src;
	err = refill(o);
	if (err)
		return err;
	err = start_insider(k, o);
	if (err)
		return err;
	o->map = mmap(NULL, OPS_FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, o->fd, 0);
	if (o->map == MAP_FAILED)
		return -errno;
	start_helper(o);
	return 0;
}

/* Tries every channel on the filesystem of dir, unless it was tried elsewhere. */
static void try_dir(struct kern *k, struct observed *obs, const char *dir)
{
	struct observed_scratch *s = &obs->scratch[obs->nscratch];
	struct statfs st;
	struct op o;

	if (obs->nscratch == OBSERVED_SCRATCH_MAX || statfs(dir, &st) < 0)
		return;
	const char *name = observe__fs_name((unsigned long)st.f_type);

	for (size_t i = 0; i < obs->nscratch; i++)
		if (!strcmp(obs->scratch[i].filesystem, name))
			return;
	if (!strcmp(name, "?") || prepare(k, &o, dir))
		return;
	s->filesystem = name;
	snprintf(s->dir, sizeof(s->dir), "%s", dir);
	kern__holders(k, 0, on_hold, s);
	for (unsigned int ch = 0; ch < CH_MAX; ch++)
		if (observe_ops[ch] && (ch != CH_PTRACE || o.helper))
			attempt(k, &o, ch, &s->attempts[ch]);
	kill(o.insider, SIGKILL);
	if (o.helper)
		kill(o.helper, SIGKILL);
	obs->nscratch++;
}

static void copy_hooks(const struct kern *k, struct observed *obs)
{
	size_t n;
	const struct kern_hook *hooks = kern__hooks(k, &n);

	if (n > OBSERVED_HOOKS_MAX)
		n = OBSERVED_HOOKS_MAX;
	for (size_t i = 0; i < n; i++) {
		struct observed_hook *h = &obs->hooks[i];

		snprintf(h->name, sizeof(h->name), "%s", hooks[i].name);
		snprintf(h->serves, sizeof(h->serves), "%s", hooks[i].serves);
		h->state = hooks[i].state;
		h->error = hooks[i].error;
	}
	obs->nhooks = n;
}

/* The outsider's life: tries every filesystem. The observation is its parent's; the ring buffer is shared memory. */
static void live_outside(struct kern *k, struct observed *obs)
{
	const char *tmpdir = getenv("TMPDIR");
	const char *const dirs[] = { "/dev/shm", tmpdir ? tmpdir : "/tmp", "/tmp", "/var/tmp" };

	for (size_t i = 0; i < sizeof(dirs) / sizeof(*dirs); i++)
		try_dir(k, obs, dirs[i]);
}

static void observe(struct trial *t, void *arg)
{
	const struct observation *r = arg;
	const struct kern_opts opts = { .disable = r->disable };
	const char *why = "";
	int status = 0;
	struct kern *k;

	r->obs->error = kern__open(&k, &opts, &why);
	if (r->obs->error)
		return trial__no(t, "%s", why);
	copy_hooks(k, r->obs);
	const pid_t pid = trial__fork();

	if (pid == 0) {
		live_outside(k, r->obs);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		return trial__unknown(t, "the outsider of the trial broke off (status %#x)",
				      (unsigned int)status);
	trial__yes(t, "opened");
}

int observe__start(struct observation *o, const char *disable)
{
	memset(o, 0, sizeof(*o));
	o->obs = trial__shared(sizeof(*o->obs));
	if (!o->obs)
		return -ENOMEM;
	o->disable = disable;
	o->error = trial__start(observe, o, &o->child);
	return 0;
}

void observe__finish(struct observation *o)
{
	struct observed *obs = o->obs;
	struct trial t = { .answer = PROBE_UNKNOWN, .why = "the trial could not be started" };

	if (!o->error)
		trial__finish(&o->child, OBSERVE_TIMEOUT_MS, &t);
	if (t.answer == PROBE_UNKNOWN)
		obs->error = -EAGAIN; /* hung or crashed: what it left is not to be trusted */
	if (t.answer != PROBE_YES)
		snprintf(obs->why, sizeof(obs->why), "%s", t.why);
}

void observe__free(struct observation *o)
{
	if (o->obs)
		munmap(o->obs, sizeof(*o->obs));
	o->obs = NULL;
}
