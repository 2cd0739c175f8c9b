/* SPDX-License-Identifier: MIT */
/* dir.h: the trace directory and the files in it. Nothing here follows a symbolic link out of the directory. */
#ifndef BPREC_TRACE_DIR_H
#define BPREC_TRACE_DIR_H

#include <stdint.h>
#include <sys/types.h>

/** Whose a trace is to be. */
struct trace_owner {
	uid_t uid;
	gid_t gid;
};

/** Makes the directory, or takes an empty one of owner's or of the caller's (root: anyone's); mode 0700. Descriptor or -errno with
 *  err__set. *ret_made: 1 if it did not exist before. */
int trace_dir__make(const char *path, const struct trace_owner *owner, int *ret_made);
/** Makes a file that must not exist, mode 0600. Descriptor (read and write) or -errno with err__set. */
int trace_dir__create(int dirfd, const char *name, const struct trace_owner *owner);
/** Opens a directory for reading. Descriptor or -errno. */
int trace_dir__open(const char *path);
/** Opens a file for reading and tells its size. Descriptor; -ENOENT; -ELOOP for a symbolic link and -EINVAL for what is
 *  no regular file; other -errno. With err__set. */
int trace_dir__open_file(int dirfd, const char *name, uint64_t *ret_size);

/** Reads exactly len bytes. 0, -ENODATA if the file ends before, or -errno. */
int file_read(int fd, void *buf, uint64_t len, uint64_t off);

#endif
