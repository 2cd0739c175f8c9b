// SPDX-License-Identifier: MIT
/*
 * codefile.c: files that outsiders run, opened while they can be.
 *
 * Of a process that is gone the kernel has told the file's inode, and its names up to the root of its filesystem. Where that
 * filesystem is mounted, /proc/PID/mountinfo says (man 5 proc): of this process, and of one that is in the mount namespace in
 * which the file was run. What is found must have the inode number, and begin with what the process had in memory: a file
 * that took the place of the old one is not it. (The device that stat tells is another one on btrfs, so it isn't asked.)
 */
#include "record/codefile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utlist.h>

#include "sym/copied.h"
#include "tracee/tracee.h"

#define FILES_MAX 512 /* that are kept open */
#define TRIES_MAX 4   /* for one that can't be found */
#define PATH_ROOM 4096

/** What is looked for. */
struct search {
	const struct kfile *f;
	const void *head;
	size_t head_len;
	const char *path; /* inside the filesystem */
	pid_t pid;	  /* whose mounts are looked at; 0: ours */
};

char *codefile__names(const char *names, char *buf, size_t size)
{
	size_t at = size - 1, i = 0;
	bool whole = false;

	buf[at] = '\0';
	while (i < KWHO_NAMES) {
		const size_t len = strnlen(names + i, KWHO_NAMES - i);

		if (i + len >= KWHO_NAMES || names[KWHO_NAMES - 1])
			break;
		whole = !len;
		if (!len || at < len + 5)
			break;
		at -= len;
		memcpy(buf + at, names + i, len);
		buf[--at] = '/';
		i += len + 1;
	}
	if (!whole) {
		at -= 3;
		memcpy(buf + at, "...", 3);
	}
	memmove(buf, buf + at, size - at);
	return buf;
}

/** Is it the file? Its beginning is compared with that in memory. */
static bool is_it(const struct search *s, int fd)
{
	char head[KWHO_HEAD];
	struct stat st;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_ino != s->f->inode)
		return false;
	if (!s->head_len)
		return true;
	return pread(fd, head, s->head_len, 0) == (ssize_t)s->head_len &&
	       !memcmp(head, s->head, s->head_len);
}

/** Octal escapes of mountinfo (blank, tab, newline, backslash). */
static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++, to++) {
		unsigned int c;

		*to = *s;
		if (*s == '\\' && sscanf(s + 1, "%3o", &c) == 1) {
			*to = (char)c;
			s += 3;
		}
	}
	*to = '\0';
}

/** A filesystem whose server may never answer. */
static bool may_hang(const char *type)
{
	return !strncmp(type, "nfs", 3) || !strcmp(type, "autofs") || !strcmp(type, "cifs") ||
	       !strcmp(type, "fuse") || !strncmp(type, "fuse.", 5);
}

/** Tries the mount of one line; a descriptor, or -1. *ret_path: where it was found, malloced. */
static int try_mount(const struct search *s, char *line, char **ret_path)
{
	const uint32_t dev = s->f->dev;
	unsigned int major, minor;
	char *root, *at, *type;
	char path[3 * PATH_ROOM], own[64] = "";
	size_t n;

	if (sscanf(line, "%*u %*u %u:%u", &major, &minor) != 2 || (major << 20 | minor) != dev)
		return -1;
	strtok_r(line, " ", &at);
	for (int i = 0; i < 2; i++)
		strtok_r(NULL, " ", &at);
	root = strtok_r(NULL, " ", &at);
	char *mount = strtok_r(NULL, " ", &at);
	type = mount && at ? strstr(at, " - ") : NULL;
	if (!type)
		return -1;
	type[3 + strcspn(type + 3, " ")] = '\0';
	if (may_hang(type + 3))
		return -1;
	unescape(root);
	unescape(mount);
	n = strcmp(root, "/") ? strlen(root) : 0;
	if (strncmp(s->path, root, n) || (s->path[n] != '/' && s->path[n]))
		return -1;
	if (s->pid)
		snprintf(own, sizeof(own), "/proc/%d/root", (int)s->pid);
	snprintf(path, sizeof(path), "%s%s%s", own, strcmp(mount, "/") ? mount : "", s->path + n);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
	if (fd >= 0 && !is_it(s, fd)) {
		close(fd);
		fd = -1;
	}
	if (fd >= 0)
		*ret_path = strdup(path + strlen(own));
	return fd;
}

static int search_mounts(const struct search *s, char **ret_path)
{
	char name[64] = "/proc/self/mountinfo", *line = NULL;
	size_t size = 0;
	int fd = -1;

	if (s->pid)
		snprintf(name, sizeof(name), "/proc/%d/mountinfo", (int)s->pid);
	FILE *f = fopen(name, "re");
	while (f && fd < 0 && getline(&line, &size, f) > 0)
		fd = try_mount(s, line, ret_path);
	free(line);
	if (f)
		fclose(f);
	return fd;
}

/** A process in a mount namespace; 0: none. */
static pid_t process_in(uint64_t mnt_ns)
{
	DIR *d = mnt_ns ? opendir("/proc") : NULL;
	char path[64];
	struct stat st;
	pid_t pid, found = 0;

	while (!found && (pid = tracee__next_entry(d))) {
		snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)pid);
		if (!stat(path, &st) && st.st_ino == mnt_ns)
			found = pid;
	}
	if (d)
		closedir(d);
	return found;
}

static bool is_own_ns(uint64_t mnt_ns)
{
	struct stat st;

	return stat("/proc/self/ns/mnt", &st) || st.st_ino == mnt_ns;
}

struct codefile *codefile__find(struct recorder *r, uint32_t dev, uint64_t inode,
				uint32_t generation)
{
	struct codefile *f;

	LL_FOREACH (r->codefiles, f)
		if (f->dev == dev && f->inode == inode &&
		    (!generation || !f->generation || f->generation == generation))
			return f;
	return NULL;
}

/** Gives a file a descriptor (-1: none), which is closed if it can't be kept. */
static void give_fd(struct recorder *r, struct codefile *f, int fd)
{
	if (fd < 0)
		return;
	if (f->fd >= 0 || r->ncodefiles >= FILES_MAX) {
		close(fd);
		return;
	}
	f->fd = fd;
	r->ncodefiles++;
	sym_build_id__of_file(fd, f->build_id, sizeof(f->build_id));
}

struct codefile *codefile__keep(struct recorder *r, uint32_t dev, uint64_t inode,
				uint32_t generation, int fd, const char *path)
{
	struct codefile *f = calloc(1, sizeof(*f));

	if (f)
		f->path = strdup(path);
	if (!f || !f->path) {
		if (fd >= 0)
			close(fd);
		free(f);
		return NULL;
	}
	f->dev = dev;
	f->inode = inode;
	f->generation = generation;
	f->fd = -1;
	give_fd(r, f, fd);
	LL_PREPEND(r->codefiles, f);
	return f;
}

/** Of a file that could not be had its beginning in memory tells the build id. */
static void note_head(struct codefile *f, const void *head, size_t len)
{
	if (!*f->build_id && len)
		sym_build_id__of_head(head, len, f->build_id, sizeof(f->build_id));
}

struct codefile *codefile__of_kernel(struct recorder *r, const struct kfile *f, uint64_t mnt_ns,
				     const void *head, size_t head_len)
{
	struct codefile *known = codefile__find(r, f->dev, f->inode, f->generation);
	struct search s = { .f = f, .head = head, .head_len = head_len };
	char path[PATH_ROOM], *found = NULL;
	int fd = -1;

	if (known && (known->fd >= 0 || known->tries++ >= TRIES_MAX))
		return known;
	s.path = codefile__names(f->names, path, sizeof(path));
	if (path[0] == '/' && r->ncodefiles < FILES_MAX) {
		fd = search_mounts(&s, &found);
		s.pid = fd < 0 && !is_own_ns(mnt_ns) ? process_in(mnt_ns) : 0;
		if (s.pid)
			fd = search_mounts(&s, &found);
	}
	if (known) /* somebody saw it in /proc, and could not open it any more */
		give_fd(r, known, fd);
	else
		known = codefile__keep(r, f->dev, f->inode, f->generation, fd,
				       found ? found : path);
	if (known)
		note_head(known, head, head_len);
	free(found);
	return known;
}

void codefile__free(struct recorder *r)
{
	struct codefile *f, *tmp;

	LL_FOREACH_SAFE (r->codefiles, f, tmp) {
		LL_DELETE(r->codefiles, f);
		if (f->fd >= 0)
			close(f->fd);
		free(f->path);
		free(f);
	}
	r->ncodefiles = 0;
}
