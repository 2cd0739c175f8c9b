/* SPDX-License-Identifier: MIT */
/*
 * dir.c: the trace directory and its files, for writer and reader.
 *
 * Invariants: files are opened relative to a descriptor of the directory, never by a path; O_NOFOLLOW keeps a hostile
 * trace from naming files elsewhere, O_NONBLOCK keeps a FIFO in place of a file from blocking the open (open(2)), and
 * what isn't a regular file is refused. New files are made with O_EXCL, so nothing that lies there is ever written over.
 */
#include "trace/dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/err.h"

static int check_empty(int dirfd)
{
	const struct dirent *de;
	int err = 0, fd;
	DIR *d;

	fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	d = fdopendir(fd);
	if (!d) {
		err = -errno;
		close(fd);
		return err;
	}
	errno = 0;
	while ((de = readdir(d))) {
		if (strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0) {
			err = -ENOTEMPTY;
			break;
		}
	}
	closedir(d);
	return err;
}

/* An existing directory may be taken if it is empty and belongs to the one who asks; root may take anyone's (under sudo the
 * directory is the user's already): the files in it are root's or the owner's, and nobody else can read them. */
static int check_existing(int fd, const struct trace_owner *owner)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (geteuid() != 0 && st.st_uid != geteuid() && st.st_uid != owner->uid)
		return -EACCES;
	return check_empty(fd);
}

static int own(int fd, const struct trace_owner *owner, mode_t mode)
{
	if (fchmod(fd, mode) < 0)
		return -errno;
	if ((owner->uid != geteuid() || owner->gid != getegid()) &&
	    fchown(fd, owner->uid, owner->gid) < 0)
		return -errno;
	return 0;
}

int trace_dir__make(const char *path, const struct trace_owner *owner, int *ret_made)
{
	bool made = true;
	int fd, err;

	if (mkdir(path, 0700) < 0) {
		made = false;
		if (errno != EEXIST)
			return err__set(-errno, "can't make directory %s: %s", path,
					strerror(errno));
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err__set(-errno, "can't open directory %s: %s", path, strerror(errno));
	err = made ? 0 : check_existing(fd, owner);
	if (err == 0)
		err = own(fd, owner, 0700);
	if (err < 0) {
		close(fd);
		return err__set(err, "can't use directory %s: %s", path, strerror(-err));
	}
	*ret_made = made;
	return fd;
}

int trace_dir__create(int dirfd, const char *name, const struct trace_owner *owner)
{
	const int fd =
		openat(dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int err;

	if (fd < 0)
		return err__set(-errno, "can't make the file %s of the trace: %s", name,
				strerror(errno));
	err = own(fd, owner, 0600);
	if (err < 0) {
		close(fd);
		unlinkat(dirfd, name, 0);
		return err__set(err, "can't set owner and mode of %s: %s", name, strerror(-err));
	}
	return fd;
}

int trace_dir__open(const char *path)
{
	const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? err__set(-errno, "%s: %s", path, strerror(errno)) : fd;
}

int trace_dir__open_file(int dirfd, const char *name, uint64_t *ret_size)
{
	struct stat st;
	int fd, err;

	fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return err__set(-errno, "%s",
				errno == ELOOP ? "it is a symbolic link" : strerror(errno));
	if (fstat(fd, &st) < 0) {
		err = err__set(-errno, "%s", strerror(errno));
		goto out;
	}
	if (!S_ISREG(st.st_mode)) {
		err = err__set(-EINVAL, "it is not a regular file");
		goto out;
	}
	*ret_size = (uint64_t)st.st_size;
	return fd;
out:
	close(fd);
	return err;
}

int file_read(int fd, void *buf, uint64_t len, uint64_t off)
{
	char *p = buf;

	while (len > 0) {
		const ssize_t n = pread(fd, p, len, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENODATA;
		p += n;
		off += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return 0;
}
