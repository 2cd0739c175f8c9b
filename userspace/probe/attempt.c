/* SPDX-License-Identifier: MIT */
/*
 * attempt.c: the changes of one filesystem.
 *
 * The calling process is the outsider. A child of it becomes an insider and maps the scratch file, so that it is watched.
 * Then one change after the other is made, and after each the ring buffer is read up to its end. Events of calls are in
 * the ring when the call returns (the programs run in the caller), so there is nothing to wait for.
 *
 * A change counts as seen exactly when its end was told with the very range (a beginning alone leaves it open what came
 * of it), or, of a tracee's memory, its beginning; page by page when an event covers it. It counts as made when the bytes
 * have changed.
 *
 * Invariants: scratch files lose their names at once; all processes go with the trial.
 */
#include "probe/attempt.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <unistd.h>

#include "probe/ops.h"
#include "probe/puppet.h"
#include "util/names.h"

#define PAGE 4096u

/** Where the bytes are that a channel changes. */
enum target {
	IN_FILE = 1,
	IN_INSIDER, /* a private page of it */
	BY_ITSELF,  /* the change has looked itself whether it took effect; or, dedupe, has none */
};

/** One row for each channel. */
struct way {
	op_fn make;
	enum target target;
};

static const struct way ways[CH_MAX] = {
	[CH_WRITE] = { op__write, IN_FILE },
	[CH_PWRITE] = { op__pwrite, IN_FILE },
	[CH_WRITEV] = { op__writev, IN_FILE },
	[CH_PWRITEV] = { op__pwritev, IN_FILE },
	[CH_SENDFILE] = { op__sendfile, IN_FILE },
	[CH_SPLICE] = { op__splice, IN_FILE },
	[CH_VMSPLICE] = { op__vmsplice, IN_FILE },
	[CH_COPY_FILE_RANGE] = { op__copy_file_range, IN_FILE },
	[CH_CLONE] = { op__clone, IN_FILE },
	[CH_DEDUPE] = { op__dedupe, BY_ITSELF },
	[CH_IO_URING] = { op__io_uring, IN_FILE },
	[CH_AIO] = { op__aio, IN_FILE },
	[CH_FALLOCATE] = { op__fallocate, IN_FILE },
	[CH_MADVISE_REMOVE] = { op__madvise_remove, IN_FILE },
	[CH_TRUNCATE] = { op__truncate, IN_FILE },
	[CH_OPEN_TRUNC] = { op__open_trunc, IN_FILE },
	[CH_DIRECT_WRITE] = { op__direct_write, IN_FILE },
	[CH_READ_INTO_MAPPING] = { op__read_into_mapping, IN_FILE },
	[CH_MMAP_STORE] = { op__mmap_store, IN_FILE },
	[CH_KERNEL] = { op__kernel, IN_FILE },
	[CH_BLOCK_DEVICE] = { op__block_device, BY_ITSELF },
	[CH_KERNEL_SHARED] = { op__kernel_shared, BY_ITSELF },
	[CH_REMOTE_MEMORY] = { op__remote_memory, IN_INSIDER },
	[CH_PTRACE] = { op__ptrace, IN_FILE },
	[CH_PROC_MEM] = { op__proc_mem, IN_INSIDER },
	[CH_USERFAULTFD] = { op__userfaultfd, IN_FILE },
	[CH_UPROBE] = { op__uprobe, BY_ITSELF },
};

/* A private page of every process of the trial: the insider's copy is what remote writes go to. */
static char victim[PAGE] __attribute__((aligned(PAGE)));

/** What the observation showed of one change. */
struct watcher {
	enum channel channel;
	const struct op *op; /* NULL: everything is ignored */
	enum probe_seen begin, end;
	struct attempt *attempt;
};

/** A scene: what changes are made on, and how the kernel knows it. */
struct scene {
	struct kern *k;
	struct op op;
	uint64_t object; /* key of the scratch file, 0: nobody listed it */
	struct observed_scratch *s;
};

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

static void raise_to(enum probe_seen *at, enum probe_seen seen)
{
	if (seen > *at)
		*at = seen;
}

/* Notes an event of a call. Returns whether it tells the change. */
static bool note_call(struct watcher *w, const struct kevent *ev)
{
	const bool direct = w->channel == CH_DIRECT_WRITE && (ev->flags & KEVF_DIRECT);
	const enum probe_seen seen =
		ev->channel == w->channel || direct ? judge_range(ev, w->op) : SEEN_NO;

	raise_to(ev->type == KEV_BEGIN ? &w->begin : &w->end, seen);
	return seen != SEEN_NO;
}

/* Notes an event of a page. A folio may be larger than a page; what counts is that it holds the change. */
static bool note_page(struct watcher *w, const struct kevent *ev)
{
	if (ways[w->channel].target != IN_FILE || judge_range(ev, w->op) == SEEN_NO)
		return false;
	raise_to(&w->end, SEEN_PAGE);
	return true;
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
	const enum probe_seen before = w->end;
	bool told = false;

	if (!w->op || (ev->flags & KEVF_INSIDER))
		return 0;
	if (ev->type == KEV_BEGIN || ev->type == KEV_END || ev->type == KEV_REMOTE)
		told = note_call(w, ev);
	else if (ev->type == KEV_FAULT || ev->type == KEV_DIRTY)
		told = note_page(w, ev);
	if (told && (w->end > before || !*w->attempt->event))
		snprintf(w->attempt->event, sizeof(w->attempt->event), "%s, %s",
			 type_name(ev->type), channel_name(ev->channel));
	return 0;
}

/* Exactly only with its end; a beginning alone tells where to look. */
static enum probe_seen seen_by(const struct watcher *w)
{
	if (w->end != SEEN_NO)
		return w->end;
	return w->begin == SEEN_EXACT ? SEEN_PAGE : w->begin;
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

/* The page that a change is made in, read without touching a mapping. Bytes that are no longer there are 0. */
static void read_page(const struct op *o, enum channel ch, char buf[PAGE])
{
	const struct iovec to = { buf, PAGE }, from = { o->victim, PAGE };

	memset(buf, 0, PAGE);
	if (ways[ch].target == IN_INSIDER)
		(void)!process_vm_readv(o->insider, &to, 1, &from, 1, 0);
	else
		(void)!pread(o->fd, buf, PAGE, (off_t)ch * PAGE);
}

/** The files through which an object can be written, as far as they are listed. */
struct writers {
	uint64_t object, files[32];
	size_t n;
};

static int on_writer(void *ctx, const struct khold *h)
{
	struct writers *w = ctx;

	if (h->object != w->object || !h->file)
		return 0;
	for (size_t i = 0; i < w->n; i++)
		if (w->files[i] == h->file)
			return 0;
	if (w->n < sizeof(w->files) / sizeof(*w->files))
		w->files[w->n++] = h->file;
	return 0;
}

/* Does the kernel count more writers than are listed? */
static bool has_hidden_writer(const struct scene *sc)
{
	struct writers w = { .object = sc->object };
	struct kern_counters c;

	return sc->object && kern__counters(sc->k, sc->object, &c) == 0 &&
	       kern__holders(sc->k, sc->object, on_writer, &w) == 0 && c.writecount > (int)w.n;
}

/* Makes the change of one channel and notes what was seen of it. */
static void attempt(const struct scene *sc, enum channel ch, const char *dir, struct attempt *ret)
{
	struct op o = sc->op;
	struct watcher w = { .channel = ch, .attempt = ret };
	char before[PAGE], after[PAGE];
	const bool on_device = ch == CH_BLOCK_DEVICE && *o.device;
	int err = refill(&o);

	*ret = (struct attempt){ .tried = true };
	snprintf(ret->where, sizeof(ret->where), "%s", on_device ? o.device : dir);
	if (err) {
		ret->refused = -err;
		return;
	}
	read_page(&o, ch, before);
	kern__drain(sc->k, on_event, &w);
	o.off = (uint64_t)ch * PAGE;
	o.keep = -1;
	err = ways[ch].make(&o);
	w.op = &o;
	kern__drain(sc->k, on_event, &w);
	read_page(&o, ch, after);
	ret->refused = -err;
	ret->seen = seen_by(&w);
	ret->idle = !err && ways[ch].target != BY_ITSELF && !memcmp(before, after, PAGE);
	ret->hidden = ch == CH_KERNEL && !err && has_hidden_writer(sc);
	if (o.keep >= 0)
		close(o.keep);
}

static int on_hold(void *ctx, const struct khold *h)
{
	struct scene *sc = ctx;
	const bool ours = h->tgid == (unsigned int)getpid();

	if (ours && h->start)
		sc->s->held_map = true;
	if (!ours || h->start || h->fd != (unsigned int)sc->op.fd)
		return 0;
	sc->s->held_fd = true;
	sc->object = h->object;
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

/* The insider's life: waits to be in the tree, maps what there is, says so. Where the filesystem is mounted noexec there is
 * no text. */
static void live_inside(const struct op *o, int go, int ready)
{
	char byte;

	if (read(go, &byte, 1) != 1)
		_exit(1);
	victim[0] = 1;
	const volatile char *map = mmap(NULL, OPS_FILE_SIZE, PROT_READ, MAP_SHARED, o->fd, 0);
	const volatile char *text = mmap(o->text, OPS_FILE_SIZE, PROT_READ | PROT_EXEC,
					 MAP_PRIVATE | MAP_FIXED, o->fd, 0);

	if (o->shared_fd >= 0)
		mmap(NULL, PAGE, PROT_READ, MAP_SHARED, o->shared_fd, 0);
	if (text != MAP_FAILED)
		(void)text[CH_UPROBE * PAGE];
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

/* One word of memory that the kernel writes. Where there can be none, shared_fd says why. */
static void make_shared(struct op *o)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);

	o->shared_fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "bprec_probe", 4, 8, 1, &opts);
	if (o->shared_fd < 0)
		return;
	o->shared = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, o->shared_fd, 0);
	if (o->shared == MAP_FAILED) {
		close(o->shared_fd);
		o->shared_fd = -errno;
	}
}

static int on_watch(void *ctx, const struct kevent *ev)
{
	struct scene *sc = ctx;

	if (ev->type == KEV_WATCH && (ev->flags & KEVF_SPECIAL))
		sc->s->named_special = true;
	return 0;
}

/* Prepares scratch files and processes. 0 or -errno. */
static int prepare(struct scene *sc, const struct place *p)
{
	struct op *o = &sc->op;
	int err;

	o->victim = victim;
	o->device = p->device;
	o->fd = scratch_file(p->path);
	o->src = scratch_file(p->path);
	if (o->fd < 0 || o->src < 0)
		return o->fd < 0 ? o->fd : o->src;
	err = refill(o);
	if (err)
		return err;
	make_shared(o);
	o->text = mmap(NULL, OPS_FILE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (o->text == MAP_FAILED)
		return -errno;
	err = start_insider(sc->k, o);
	if (err)
		return err;
	o->map = mmap(NULL, OPS_FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, o->fd, 0);
	if (o->map == MAP_FAILED)
		return -errno;
	start_helper(o);
	kern__drain(sc->k, on_watch, sc);
	return kern__holders(sc->k, 0, on_hold, sc);
}

/* Ends what prepare made, so that the filesystem is free again. */
static void tidy(struct op *o)
{
	const int fds[] = { o->fd, o->src, o->shared_fd };
	const pid_t pids[] = { o->insider, o->helper };

	for (size_t i = 0; i < sizeof(pids) / sizeof(*pids); i++)
		if (pids[i] > 0)
			kill(pids[i], SIGKILL);
	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	if (o->map && o->map != MAP_FAILED)
		munmap(o->map, OPS_FILE_SIZE);
}

/* Is there nothing more to learn of this channel? What the first place had no means for is tried again at the next. */
static bool is_known(const struct attempt *a)
{
	return a->tried && a->refused != ENODEV && a->refused != EPERM && a->refused != EACCES;
}

int attempt__all(struct kern *k, const struct place *p, struct observed_scratch *s)
{
	struct scene sc = { .k = k, .s = s, .op = { .fd = -1, .src = -1, .shared_fd = -1 } };
	int err = prepare(&sc, p);

	for (unsigned int ch = 0; ch < CH_MAX && !err; ch++)
		if (ways[ch].make && !is_known(&s->attempts[ch]) &&
		    (ch != CH_PTRACE || sc.op.helper))
			attempt(&sc, ch, p->dir, &s->attempts[ch]);
	tidy(&sc.op);
	s->used = s->used || !err;
	return err;
}
