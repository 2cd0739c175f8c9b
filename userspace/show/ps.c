// SPDX-License-Identifier: MIT
/*
 * ps.c: the processes of a trace, gathered from its events.
 *
 * A process number may be used again: each EV_PROCESS that is no thread begins a row, and a number stands for the row that
 * began last. Rows are counted, not believed: a trace that contradicts itself gives odd rows, never a crash.
 */
#include "show/ps.h"

#include <errno.h>
#include <signal.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <Judy.h>

#include "show/json.h"
#include "show/table.h"
#include "util/err.h"

/** One process. */
struct process {
	uint32_t pid, parent;	   /* thread group numbers; parent 0: the root */
	uint32_t threads, living;  /* threads it ever had, and has */
	uint32_t end_kind;	   /* enum end_kind, 0: it has not ended */
	int32_t end_code;	   /* exit status or signal */
	uint64_t start_ns, end_ns; /* first event, end of its last thread */
	uint64_t calls;		   /* system calls that returned */
	char *exe;		   /* path of its last exec, owned; NULL: none known */
};

/** All of them. */
struct processes {
	struct process *v; /* owned */
	size_t n, cap;
	void *by_pid; /* JudyL: pid -> index of the last row + 1 */
	void *by_tid; /* JudyL: tid -> pid */
	uint64_t start_ns;
};

/** The row for a process number, NULL if there is none. */
static struct process *find(const struct processes *p, uint32_t pid)
{
	void **v = JudyLGet(p->by_pid, pid, NULL);

	return v ? &p->v[(uintptr_t)*v - 1] : NULL;
}

/** Enters a value in a JudyL array. 0 or -ENOMEM. */
static int set(void **array, uint32_t key, uintptr_t value)
{
	void **v = JudyLIns(array, key, NULL);

	if (v == PJERR)
		return -ENOMEM;
	*v = (void *)value;
	return 0;
}

static int new_process(struct processes *p, const struct event_header *ev, uint32_t parent_tid)
{
	void **parent = JudyLGet(p->by_tid, parent_tid, NULL);
	const struct process *from;

	if (p->n == p->cap) {
		size_t cap = p->cap ? p->cap * 2 : 64;
		struct process *v = realloc(p->v, cap * sizeof(*v));

		if (!v)
			return -ENOMEM;
		p->v = v;
		p->cap = cap;
	}
	struct process *row = &p->v[p->n];
	*row = (struct process){
		.pid = ev->pid, .threads = 1, .living = 1, .start_ns = ev->time_ns
	};
	row->parent = parent ? (uint32_t)(uintptr_t)*parent : 0;
	from = row->parent ? find(p, row->parent) : NULL;
	if (from && from->exe) {
		row->exe = strdup(from->exe);
		if (!row->exe)
			return -ENOMEM;
	}
	return set(&p->by_pid, ev->pid, ++p->n);
}

static int take_process(struct processes *p, const struct event_header *ev)
{
	const struct ev_process *e = (const void *)(ev + 1);
	struct process *row = e->how == PROC_THREAD ? find(p, ev->pid) : NULL;
	int err = 0;

	if (e->how != PROC_THREAD) {
		err = new_process(p, ev, e->parent_tid);
	} else if (row) {
		row->threads++;
		row->living++;
	}
	return err ? err : set(&p->by_tid, ev->tid, ev->pid);
}

static int take_exec(struct processes *p, const struct event_header *ev)
{
	const struct ev_exec *e = (const void *)(ev + 1);
	struct process *row = find(p, ev->pid);
	char *exe = strndup((const char *)(e + 1) + e->auxv_len + e->xsave_len, e->path_len);

	if (!exe)
		return -ENOMEM;
	if (!row) {
		free(exe);
		return 0;
	}
	free(row->exe);
	row->exe = exe;
	return 0;
}

static void take_exit(struct processes *p, const struct event_header *ev)
{
	const struct ev_exit *e = (const void *)(ev + 1);
	struct process *row = find(p, ev->pid);

	if (!row)
		return;
	if (row->living)
		row->living--;
	row->end_ns = ev->time_ns;
	if (!row->end_kind || ev->tid == ev->pid) {
		row->end_kind = e->kind;
		row->end_code = e->code;
	}
}

static int take(struct processes *p, const struct event_header *ev, uint64_t no)
{
	struct process *row;

	if (!no)
		p->start_ns = ev->time_ns;
	switch (ev->type) {
	case EV_PROCESS:
		return take_process(p, ev);
	case EV_EXEC:
		return take_exec(p, ev);
	case EV_EXIT:
		take_exit(p, ev);
		return 0;
	case EV_SYSCALL:
		row = find(p, ev->pid);
		if (row)
			row->calls++;
		return 0;
	default:
		return 0;
	}
}

/** How a process ended, into buf. */
static const char *end_text(const struct process *row, char *buf, size_t size)
{
	const char *name = NULL;

	if (row->living || !row->end_kind)
		return "lives on";
	if (row->end_kind == END_SIGNALED)
		name = sigabbrev_np(row->end_code);
	if (name)
		snprintf(buf, size, "SIG%s", name);
	else if (row->end_kind == END_EXITED)
		snprintf(buf, size, "%d", row->end_code);
	else
		snprintf(buf, size, "signal %d", row->end_code);
	return buf;
}

static int print_table(const struct processes *p, const struct show_opts *o)
{
	struct table t = { .ncolumns = 8, .right = 1 | 2 | 4 | 8 | 16 | 64 };
	char end[40];

	table__head(&t, "pid", "parent", "threads", "start", "end", "exit", "calls", "command",
		    NULL);
	for (size_t i = 0; i < p->n; i++) {
		const struct process *row = &p->v[i];
		bool good = row->end_kind == END_EXITED && !row->end_code;

		table__cell(&t, TERM_PLAIN, "%u", row->pid);
		if (row->parent)
			table__cell(&t, TERM_PLAIN, "%u", row->parent);
		else
			table__cell(&t, TERM_DIM, "-");
		table__cell(&t, TERM_PLAIN, "%u", row->threads);
		table__cell(&t, TERM_PLAIN, "%.6f", (double)(row->start_ns - p->start_ns) / 1e9);
		if (row->end_ns && !row->living)
			table__cell(&t, TERM_PLAIN, "%.6f",
				    (double)(row->end_ns - p->start_ns) / 1e9);
		else
			table__cell(&t, TERM_DIM, "-");
		table__cell(&t, good ? TERM_PLAIN : TERM_WARN, "%s",
			    end_text(row, end, sizeof(end)));
		table__cell(&t, TERM_PLAIN, "%" PRIu64, row->calls);
		table__cell(&t, TERM_PLAIN, "%s", row->exe ? row->exe : "?");
	}
	table__print(&t, o, 0);
	int err = t.failed ? -ENOMEM : 0;
	table__free(&t);
	return err;
}

static json_t *exit_json(const struct process *row)
{
	if (row->living || !row->end_kind)
		return json_null();
	return json_pack("{s:i}", row->end_kind == END_EXITED ? "status" : "signal",
			 (int)row->end_code);
}

static int print_json(const struct processes *p, const struct show_opts *o)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < p->n; i++) {
		const struct process *row = &p->v[i];
		json_t *parent = row->parent ? json_integer(row->parent) : json_null();
		json_t *end = row->living ? json_null() : json__u64(row->end_ns);
		json_t *v =
			json_pack("{s:I, s:o, s:I, s:o, s:o, s:o, s:o, s:o}", "pid",
				  (json_int_t)row->pid, "parent", parent, "threads",
				  (json_int_t)row->threads, "start_ns", json__u64(row->start_ns),
				  "end_ns", end, "exit", exit_json(row), "calls",
				  json__u64(row->calls), "exe", json__text(row->exe));

		if (json_array_append_new(list, v)) {
			json_decref(list);
			list = NULL;
		}
	}
	return json__print(o, list, 0);
}

int show__ps(struct reader *r, const struct show_opts *o, bool json)
{
	struct processes p = { 0 };
	const struct event_header *ev;
	uint64_t no;
	int err;

	while ((err = reader__next(r, &ev, &no)) > 0) {
		err = take(&p, ev, no);
		if (err)
			break;
	}
	if (!err)
		err = json ? print_json(&p, o) : print_table(&p, o);
	if (err == -ENOMEM)
		err__set(err, "out of memory");
	else if (err)
		err__set(err, "%s", reader__error(r));
	for (size_t i = 0; i < p.n; i++)
		free(p.v[i].exe);
	free(p.v);
	JudyLFreeArray(&p.by_pid, NULL);
	JudyLFreeArray(&p.by_tid, NULL);
	return err;
}
