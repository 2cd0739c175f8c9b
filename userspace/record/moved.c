/* SPDX-License-Identifier: MIT */
/*
 * moved.c: the sources of what sendfile and splice write to inherited descriptors.
 *
 * The destination counts as inherited if it is the same file (device and inode) as one of bprec's own descriptors 0 to 2,
 * which the tree got from it. Then the bytes are read from the source before the call: a regular file by pread; a pipe by
 * tee(2), which copies without consuming.
 */
#include "record/moved.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <asm/unistd.h>

#include "record/emit.h"
#include "tracee/tracee.h"

static uint8_t bytes[BPREC_DATA_MAX];
static size_t nbytes; /* in bytes[], until they are handed to the thread */

/** Source, destination, position and length of the call. */
struct move {
	int in, out;
	uint64_t off_addr, len;
};

static bool move_of(const struct task *t, struct move *m)
{
	switch (t->nr) {
	case __NR_sendfile:
		*m = (struct move){ t->args[1], t->args[0], t->args[2], t->args[3] };
		return true;
	case __NR_splice:
	case __NR_copy_file_range:
		*m = (struct move){ t->args[0], t->args[2], t->args[1], t->args[4] };
		return true;
	case __NR_tee:
		*m = (struct move){ t->args[0], t->args[1], 0, t->args[2] };
		return true;
	default:
		return false;
	}
}

static int stat_fd(pid_t pid, int fd, struct stat *st)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
	return stat(path, st);
}

static bool is_inherited(pid_t pid, int fd)
{
	struct stat st, own;

	if (stat_fd(pid, fd, &st))
		return false;
	for (int i = 0; i < 3; i++)
		if (!fstat(i, &own) && own.st_dev == st.st_dev && own.st_ino == st.st_ino)
			return true;
	return false;
}

/** Position in the source file: given by the call, or the descriptor's own. */
static int64_t position(const struct task *t, const struct move *m)
{
	char path[64], line[256];
	int64_t pos = -1;
	FILE *f;

	if (m->off_addr)
		return tracee__read(t->tid, m->off_addr, &pos, 8) == 8 ? pos : -1;
	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", t->pid, m->in);
	f = fopen(path, "re");
	if (!f)
		return -1;
	if (!fgets(line, sizeof(line), f) || sscanf(line, "pos: %ld", &pos) != 1)
		pos = -1;
	fclose(f);
	return pos;
}

static bool peek_file(struct task *t, const struct move *m)
{
	const int64_t pos = position(t, m);
	bool dup;
	const int fd = pos < 0 ? -1 : tracee__get_fd(t->pid, m->in, &dup);
	ssize_t n;

	if (fd < 0)
		return false;
	n = pread(fd, bytes, m->len < sizeof(bytes) ? m->len : sizeof(bytes), pos);
	close(fd);
	nbytes = n > 0 ? n : 0;
	return n >= 0;
}

/** Bytes that wait in a pipe, copied by tee(2) through a pipe of our own. */
static bool peek_pipe(struct task *t, const struct move *m)
{
	char path[64];
	int own[2], fd;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", t->pid, m->in);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (pipe2(own, O_CLOEXEC | O_NONBLOCK)) {
		close(fd);
		return false;
	}
	n = tee(fd, own[1], m->len < 65536 ? m->len : 65536, SPLICE_F_NONBLOCK);
	if (n > 0)
		n = read(own[0], bytes, n);
	close(own[0]);
	close(own[1]);
	close(fd);
	nbytes = n > 0 ? n : 0;
	return n > 0;
}

bool moved__entry(struct recorder *r, struct task *t, int64_t *ret)
{
	struct move m;
	struct stat st;
	bool known = false;

	(void)r;
	free(t->moved);
	t->moved = NULL;
	nbytes = 0;
	*ret = -EINVAL;
	if (!move_of(t, &m) || !is_inherited(t->pid, m.out) || stat_fd(t->pid, m.in, &st))
		return false;
	if (S_ISREG(st.st_mode))
		known = m.len <= sizeof(bytes) && peek_file(t, &m);
	else if (S_ISFIFO(st.st_mode))
		known = m.len <= 65536 && peek_pipe(t, &m);
	t->moved = known ? malloc(nbytes + 1) : NULL;
	if (!t->moved)
		return true;
	memcpy(t->moved, bytes, nbytes);
	t->moved_len = nbytes;
	return false;
}

int moved__exit(struct recorder *r, struct task *t, int64_t ret)
{
	struct move m;
	struct ev_output ev;
	int err = 0;

	if (!t->moved)
		return 0;
	if (ret > 0 && move_of(t, &m)) {
		ev = (struct ev_output){ .fd = m.out, .len = t->moved_len };
		if ((uint64_t)ret < t->moved_len)
			ev.len = ret;
		err = emit(r, EV_OUTPUT, t, &ev, sizeof(ev), t->moved, ev.len);
	}
	free(t->moved);
	t->moved = NULL;
	return err;
}
