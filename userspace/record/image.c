/* SPDX-License-Identifier: MIT */
#include "record/image.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/err.h"

/** Can this path be executed at all? 0 or -errno. */
static int try_path(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EACCES;
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) ? -errno : 0;
}

/** Looks through PATH; buf gets the file's path. 0 or -errno. */
static int search(const char *command, char *buf, size_t size)
{
	const char *dirs = getenv("PATH");
	int best = -ENOENT;

	for (const char *d = dirs ? dirs : "/bin:/usr/bin"; *d || d == dirs;) {
		const size_t n = strcspn(d, ":");
		int err;

		snprintf(buf, size, "%.*s/%s", n ? (int)n : 1, n ? d : ".", command);
		err = try_path(buf);
		if (!err)
			return 0;
		if (err == -EACCES)
			best = err;
		d += n;
		if (!*d)
			break;
		d++;
	}
	return best;
}

/** An ELF file that is not for x86-64? A file that can't be read is left to execve. */
static int check_head(const char *path)
{
	Elf64_Ehdr h = { 0 };
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	const ssize_t n = fd < 0 ? 0 : read(fd, &h, sizeof(h));

	if (fd >= 0)
		close(fd);
	if (n < EI_NIDENT || memcmp(h.e_ident, ELFMAG, SELFMAG))
		return 0;
	if (h.e_ident[EI_CLASS] == ELFCLASS64 && h.e_machine == EM_X86_64)
		return 0;
	return err__set(-ENOEXEC, "%s: a %s program can't be recorded (wanted: an x86-64 program)",
			path, h.e_ident[EI_CLASS] == ELFCLASS32 ? "32-bit" : "foreign");
}

/** Finds the file of a command; buf gets its path. 0 or -errno with err__text. */
static int find(const char *command, char *path, size_t size)
{
	int err;

	snprintf(path, size, "%s", command);
	err = strchr(command, '/') ? try_path(path) : search(command, path, size);
	if (err == -ENOENT)
		return err__set(err, "%s: command not found", command);
	if (err)
		return err__set(err, "%s: can't be executed: %s", command, strerror(-err));
	return 0;
}

int image__find(const char *command)
{
	char path[PATH_MAX];

	return find(command, path, sizeof(path));
}

int image__check(const char *command)
{
	char path[PATH_MAX];
	const int err = find(command, path, sizeof(path));

	return err ? err : check_head(path);
}
