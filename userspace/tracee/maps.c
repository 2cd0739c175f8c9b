/* SPDX-License-Identifier: MIT */
#include "tracee/tracee.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* The kernel writes a newline in a path as \012, and nothing else escaped (fs/proc/task_mmu.c, seq_path with "\n"). */
static void unescape(char *path)
{
	char *to = path;

	for (const char *from = path; *from;) {
		if (!strncmp(from, "\\012", 4)) {
			*to++ = '\n';
			from += 4;
		} else {
			*to++ = *from++;
		}
	}
	*to = '\0';
}

/* One line, which is changed. 0 or -EPROTO. */
static int parse_line(char *line, struct tracee_map *ret)
{
	struct tracee_map m = { .path = "" };
	char perms[5];
	int at = 0;

	if (sscanf(line,
		   "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %" SCNx32 ":%" SCNx32 " %" SCNu64 "%n",
		   &m.start, &m.end, perms, &m.offset, &m.major, &m.minor, &m.inode, &at) != 7)
		return -EPROTO;
	m.prot = (perms[0] == 'r' ? PROT_READ : 0u) | (perms[1] == 'w' ? PROT_WRITE : 0u) |
		 (perms[2] == 'x' ? PROT_EXEC : 0u);
	m.shared = perms[3] == 's';
	char *path = line + at;
	path += strspn(path, " "); /* the kernel pads to a column; paths begin with / or [ */
	path[strcspn(path, "\n")] = '\0';
	unescape(path);
	m.path = path;
	*ret = m;
	return 0;
}

int tracee__maps(pid_t pid, int (*fn)(void *ctx, const struct tracee_map *m), void *ctx)
{
	char name[64], *line = NULL;
	struct tracee_map m;
	size_t size = 0;
	int err = 0;

	snprintf(name, sizeof(name), "/proc/%d/maps", (int)pid);
	FILE *f = fopen(name, "re");
	if (!f)
		return errno == ENOENT ? -ESRCH : -errno;
	while (!err && getline(&line, &size, f) > 0) {
		err = parse_line(line, &m);
		if (!err)
			err = fn(ctx, &m);
	}
	free(line);
	fclose(f);
	return err;
}
