/* SPDX-License-Identifier: MIT */
#include "tracee/tracee.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Reads a small file of a thread as a string; length or -errno. */
static ssize_t read_task_file(pid_t pid, pid_t tid, const char *name, char *buf, size_t size)
{
	char path[96];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/%s", (int)pid, (int)tid, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	ssize_t n = read(fd, buf, size - 1);
	int err = -errno;
	close(fd);
	if (n < 0)
		return err;
	buf[n] = '\0';
	return n;
}

/* Hexadecimal value after a name at the start of a line. */
static int find_hex(const char *text, const char *name, uint64_t *ret)
{
	const char *at = strstr(text, name);

	return at && sscanf(at + strlen(name), "%" SCNx64, ret) == 1 ? 0 : -EPROTO;
}

int tracee__signals(pid_t pid, pid_t tid, uint64_t *ret_caught, uint64_t *ret_ignored,
		    uint64_t *ret_blocked)
{
	char text[8192]; /* a page holds it all (6.18: 1.5 KB; Groups: is the only long line) */
	uint64_t caught, ignored, blocked;
	ssize_t n = read_task_file(pid, tid, "status", text, sizeof(text));

	if (n < 0)
		return (int)n;
	if (find_hex(text, "\nSigCgt:", &caught) || find_hex(text, "\nSigIgn:", &ignored) ||
	    find_hex(text, "\nSigBlk:", &blocked))
		return -EPROTO;
	*ret_caught = caught;
	*ret_ignored = ignored;
	*ret_blocked = blocked;
	return 0;
}

/** Numbers in all namespaces of a thread, from ours inwards: the last one found, and the one at `depth` (0: none). */
static int read_numbers(pid_t tid, uint32_t depth, uint32_t *ret_deepest, pid_t *ret)
{
	char text[8192], *at, *end;
	uint32_t n = 0;

	*ret = 0;
	if (read_task_file(tid, tid, "status", text, sizeof(text)) < 0)
		return -ESRCH;
	at = strstr(text, "\nNSpid:");
	if (!at)
		return -EPROTO;
	for (at += strlen("\nNSpid:"); *at == '\t'; at = end, n++) {
		const long number = strtol(at + 1, &end, 10);

		if (n == depth)
			*ret = (pid_t)number;
	}
	*ret_deepest = n - 1;
	return n ? 0 : -EPROTO;
}

pid_t tracee__number_in(pid_t tid, uint32_t depth, uint32_t ns)
{
	uint32_t deepest;
	char path[64];
	struct stat st;
	pid_t number;

	if (read_numbers(tid, depth, &deepest, &number) || !number)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/ns/pid", (int)tid);
	if (deepest == depth && !stat(path, &st) && st.st_ino != ns)
		return 0;
	return number;
}

pid_t tracee__thread_group(pid_t tid)
{
	char path[64], line[256];
	pid_t tgid = tid;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Tgid: %d", &tgid) == 1)
			break;
	if (f)
		fclose(f);
	return tgid;
}

pid_t tracee__next_entry(DIR *dir)
{
	const struct dirent *e;

	while (dir && (e = readdir(dir)))
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9')
			return atoi(e->d_name);
	return 0;
}

int tracee__blocked_call(pid_t pid, pid_t tid, uint32_t *ret_nr, uint64_t ret_args[6])
{
	char text[256];
	uint64_t a[6];
	int nr;
	ssize_t n = read_task_file(pid, tid, "syscall", text, sizeof(text));

	if (n < 0)
		return (int)n;
	/* "running", "-1 SP PC" outside a call, else "NR A0 ... A5 SP PC" (man 5 proc) */
	if (sscanf(text, "%d %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64,
		   &nr, &a[0], &a[1], &a[2], &a[3], &a[4], &a[5]) != 7 ||
	    nr < 0)
		return 0;
	*ret_nr = (uint32_t)nr;
	memcpy(ret_args, a, sizeof(a));
	return 1;
}
