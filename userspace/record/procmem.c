/* SPDX-License-Identifier: MIT */
#include "record/procmem.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <asm/unistd.h>

#include "record/emit.h"
#include "tracee/tracee.h"

/** Does an open of this path give a process's memory? */
static bool is_mem(const struct task *t, uint64_t addr)
{
	char path[64];
	const ssize_t n = tracee__read_string(t->tid, addr, path, sizeof(path));

	return n > 4 && !strcmp(path + n - 4, "/mem"); /* relative to /proc/PID as well */
}

/** Position of a descriptor after the call. */
static uint64_t position(const struct task *t)
{
	char path[64], line[64];
	uint64_t pos = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", t->tid, (int)t->args[0]);
	f = fopen(path, "re");
	if (f && (!fgets(line, sizeof(line), f) || sscanf(line, "pos: %lu", &pos) != 1))
		pos = 0;
	if (f)
		fclose(f);
	return pos;
}

/** The thread whose memory the descriptor args[0] is; NULL: it is another file, or an outsider's. */
static struct task *target(struct recorder *r, const struct task *t)
{
	char link[64], path[64];
	int pid, end = 0;
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/%d/fd/%d", t->tid, (int)t->args[0]);
	n = readlink(link, path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = '\0';
	if (n < 4 || strcmp(path + n - 4, "/mem") || sscanf(path, "/proc/%d/%n", &pid, &end) < 1)
		return NULL;
	return rtask__find(r, pid);
}

static int write_bytes(struct recorder *r, struct task *t, uint64_t addr, uint64_t len)
{
	static uint8_t bytes[BPREC_DATA_MAX];
	int err = 0;

	for (uint64_t at = 0; at < len && !err;) {
		const size_t want = len - at < sizeof(bytes) ? len - at : sizeof(bytes);
		const ssize_t n = tracee__read(t->tid, addr + at, bytes, want);
		const struct ev_data ev = { .addr = addr + at, .len = n, .why = DATA_KERNEL };

		if (n <= 0)
			break;
		err = emit(r, EV_DATA, t, &ev, sizeof(ev), bytes, n);
		at += n;
	}
	return err;
}

static int on_write(struct recorder *r, struct task *t, int64_t ret)
{
	const bool positioned = t->nr == __NR_pwrite64 || t->nr == __NR_pwritev;
	struct task *to = target(r, t);

	if (!to)
		return 0;
	return write_bytes(r, to, positioned ? t->args[3] : position(t) - ret, ret);
}

int procmem__exit(struct recorder *r, struct task *t, int64_t ret)
{
	if (ret < 0)
		return 0;
	switch (t->nr) {
	case __NR_open:
		r->mem_opened = r->mem_opened || is_mem(t, t->args[0]);
		return 0;
	case __NR_openat:
		r->mem_opened = r->mem_opened || is_mem(t, t->args[1]);
		return 0;
	case __NR_write:
	case __NR_pwrite64:
	case __NR_writev:
	case __NR_pwritev:
		return r->mem_opened && ret ? on_write(r, t, ret) : 0;
	default:
		return 0;
	}
}
