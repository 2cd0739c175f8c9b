/* SPDX-License-Identifier: MIT */
#include "record/who.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "record/emit.h"

bool who__is_insider(struct recorder *r, pid_t pid)
{
	return rtask__find(r, pid) != NULL;
}

static const struct outsider *find(const struct recorder *r, uint32_t id)
{
	for (const struct outsider *o = r->outsiders; o; o = o->next)
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

static void read_exe(pid_t pid, const char *known, char *buf, size_t size)
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	n = readlink(path, buf, size - 1);
	if (n > 0)
		buf[n] = '\0';
	else
		snprintf(buf, size, "%s", known);
}

static int write_writer(struct recorder *r, const struct outsider *o, pid_t tid, uint32_t uid,
			const char *known_exe)
{
	char strings[3 * 1024];
	struct ev_writer ev = {
		.writer = o->id, .pid = o->pid, .tid = tid, .uid = uid, .start_ns = o->start_ns
	};
	size_t len;

	memcpy(ev.comm, o->comm, sizeof(ev.comm));
	read_exe(o->pid, known_exe, strings, 1024);
	len = strlen(strings) + 1;
	read_proc(o->pid, "cgroup", strings + len, 1024);
	len += strlen(strings + len) + 1;
	read_proc(o->pid, "cmdline", strings + len, 1024);
	len += strlen(strings + len) + 1;
	ev.strings_len = len;
	return emit(r, EV_WRITER, NULL, &ev, sizeof(ev), strings, len);
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
	o->start_ns = start_ns;
	snprintf(o->comm, sizeof(o->comm), "%.15s", comm);
	LL_PREPEND(r->outsiders, o);
	return write_writer(r, o, tid, uid, exe) ? 0 : o->id;
}

uint32_t who__from_event(struct recorder *r, const struct kevent *ke)
{
	return who__id(r, ke->tgid, ke->tid, ke->uid, ke->start_ns, ke->comm, ke->exe);
}
