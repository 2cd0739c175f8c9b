/* SPDX-License-Identifier: MIT */
/*
 * who.c: outsiders by name.
 *
 * A process that is still there is looked at in /proc at once; of one that is gone the kernel has told (about.c). What is
 * known is written down as late as possible, because what the kernel tells comes with, not before, a process's first event. What
 * came later still is added at the end.
 */
#include "record/who.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "record/about.h"
#include "record/emit.h"
#include "sym/copied.h"

#define TEXT_MAX 4096

bool who__is_insider(struct recorder *r, pid_t pid)
{
	return rtask__find(r, pid) != NULL;
}

static struct outsider *find(const struct recorder *r, uint32_t id)
{
	for (struct outsider *o = r->outsiders; o; o = o->next)
		if (o->id == id)
			return o;
	return NULL;
}

pid_t who__pid(const struct recorder *r, uint32_t id)
{
	const struct outsider *o = find(r, id);

	return o ? o->pid : 0;
}

const char *who__comm(const struct recorder *r, uint32_t id)
{
	const struct outsider *o = find(r, id);

	return o ? o->comm : "";
}

/** Reads a small file of /proc into buf, NULs turned into blanks. */
static void read_proc(pid_t pid, const char *name, char *buf, size_t size)
{
	char path[64];
	size_t n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	f = fopen(path, "re");
	if (f) {
		n = fread(buf, 1, size - 1, f);
		fclose(f);
	}
	while (n && (buf[n - 1] == '\0' || buf[n - 1] == '\n'))
		n--;
	for (size_t i = 0; i < n; i++)
		if (buf[i] == '\0')
			buf[i] = ' ';
	buf[n] = '\0';
}

/** Its executable, and the build id of that: the link of /proc opens the file, deleted or not. */
static void read_exe(struct outsider *o)
{
	char path[64], name[4096];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)o->pid);
	n = readlink(path, name, sizeof(name) - 1);
	if (n <= 0)
		return;
	name[n] = '\0';
	o->exe = strdup(name);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return;
	sym_build_id__of_file(fd, o->build_id, sizeof(o->build_id));
	close(fd);
}

/** The last number of the line NSpid of /proc/PID/status. */
static uint32_t read_ns_pid(pid_t pid)
{
	char path[64], line[256];
	unsigned int nr = 0;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	FILE *f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		const char *at = strncmp(line, "NSpid:", 6) ? NULL : line + 6;
		int n;
		while (at && sscanf(at, "%u%n", &nr, &n) == 1)
			at += n;
	}
	if (f)
		fclose(f);
	return nr;
}

static char *read_text(pid_t pid, const char *name)
{
	char text[TEXT_MAX];

	read_proc(pid, name, text, sizeof(text));
	return *text ? strdup(text) : NULL;
}

/** What /proc has of it, if it is still there; what is read of a process that ends meanwhile may be empty. */
static void read_live(struct outsider *o)
{
	if (!about__alive(o->pid, o->start_ns))
		return;
	read_exe(o);
	o->cgroup = read_text(o->pid, "cgroup");
	o->cmdline = read_text(o->pid, "cmdline");
	o->ns_pid = read_ns_pid(o->pid);
}

/** Arguments, blanks between them. */
static char *join_args(const struct kproc *p)
{
	char *text = p->args_len && p->args_len <= KWHO_ARGS ? calloc(1, p->args_len + 1) : NULL;

	for (uint32_t i = 0; text && i < p->args_len; i++)
		text[i] = p->args[i] ? p->args[i] : ' ';
	for (uint32_t i = p->args_len; text && i && text[i - 1] == ' '; i--)
		text[i - 1] = '\0';
	return text;
}

/** The line of /proc/PID/cgroup for the unified hierarchy. */
static char *cgroup_line(const struct kproc *p)
{
	char path[2048], *line = NULL;

	codefile__names(p->cgroup, path, sizeof(path));
	return asprintf(&line, "0::%s", *path ? path : "/") < 0 ? NULL : line;
}

/** What the kernel told of it fills what is not known. */
static void fill_told(struct recorder *r, struct outsider *o)
{
	const struct about *a = about__find(r, o->pid, o->start_ns);
	const struct kproc *p = a ? a->proc : NULL;

	if (!p)
		return;
	const struct codefile *f = o->exe && *o->build_id ? NULL : about__exe(r, a);
	if (f && !o->exe)
		o->exe = strdup(f->path);
	if (f && !*o->build_id)
		memcpy(o->build_id, f->build_id, sizeof(o->build_id));
	if (!o->cmdline)
		o->cmdline = join_args(p);
	if (!o->cgroup)
		o->cgroup = cgroup_line(p);
	if (!o->ns_pid)
		o->ns_pid = p->ns_pid;
}

static int write_writer(struct recorder *r, const struct outsider *o)
{
	struct ev_writer ev = { .writer = o->id,
				.pid = o->pid,
				.tid = o->tid,
				.uid = o->uid,
				.ns_pid = o->ns_pid,
				.start_ns = o->start_ns };
	const char *const texts[] = { o->exe ?: o->told_exe, o->cgroup ?: "", o->cmdline ?: "",
				      o->build_id };
	char strings[4 * TEXT_MAX];
	size_t len = 0;

	memcpy(ev.comm, o->comm, sizeof(ev.comm));
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		snprintf(strings + len, TEXT_MAX, "%s", texts[i]);
		len += strlen(strings + len) + 1;
	}
	ev.strings_len = len;
	return emit(r, EV_WRITER, NULL, &ev, sizeof(ev), strings, len);
}

int who__write(struct recorder *r, uint32_t id)
{
	struct outsider *o = id ? find(r, id) : NULL;

	if (!o || o->written)
		return 0;
	o->written = true;
	fill_told(r, o);
	return write_writer(r, o);
}

/** How much of what the kernel can tell is known. */
static int known(const struct outsider *o)
{
	return !!o->exe + !!*o->build_id + !!o->cmdline + !!o->cgroup + !!o->ns_pid;
}

int who__complete(struct recorder *r)
{
	struct outsider *o;
	int err = 0;

	LL_FOREACH (r->outsiders, o) {
		const int before = known(o);

		if (!o->written || err)
			continue;
		fill_told(r, o);
		if (known(o) > before)
			err = write_writer(r, o);
	}
	return err;
}

uint32_t who__id(struct recorder *r, pid_t pid, pid_t tid, uint32_t uid, uint64_t start_ns,
		 const char *comm, const char *exe)
{
	struct outsider *o;

	if (pid <= 0)
		return 0;
	LL_FOREACH (r->outsiders, o)
		if (o->pid == pid && o->start_ns == start_ns && !strncmp(o->comm, comm, 15))
			return o->id;
	o = calloc(1, sizeof(*o));
	if (!o)
		return 0;
	o->id = ++r->next_outsider;
	o->pid = pid;
	o->tid = tid;
	o->uid = uid;
	o->start_ns = start_ns;
	snprintf(o->comm, sizeof(o->comm), "%.15s", comm);
	snprintf(o->told_exe, sizeof(o->told_exe), "%s", exe);
	LL_PREPEND(r->outsiders, o);
	read_live(o);
	return o->id;
}

void who__free(struct recorder *r)
{
	struct outsider *o, *tmp;

	LL_FOREACH_SAFE (r->outsiders, o, tmp) {
		free(o->exe);
		free(o->cgroup);
		free(o->cmdline);
		free(o);
	}
	r->outsiders = NULL;
}

uint32_t who__from_event(struct recorder *r, const struct kevent *ke)
{
	return who__id(r, ke->tgid, ke->tid, ke->uid, ke->start_ns, ke->comm, ke->exe);
}
