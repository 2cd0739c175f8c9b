// SPDX-License-Identifier: MIT
/* tracefs.c: numbers of classic tracepoints. */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kern/state.h"

/* A mount that is in no directory: nobody else sees it, and it ends with its descriptor (since 5.2). */
static int tracefs_mount(void)
{
	int fs = syscall(SYS_fsopen, "tracefs", FSOPEN_CLOEXEC);
	int dir;

	if (fs < 0)
		return -errno;
	if (syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		dir = -errno;
	else if ((dir = syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0)) < 0)
		dir = -errno;
	close(fs);
	return dir;
}

int tracefs_open(void)
{
	static const char *const places[] = { "/sys/kernel/tracing", "/sys/kernel/debug/tracing" };

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		int dir = open(places[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (dir >= 0 && faccessat(dir, "events", F_OK, 0) == 0)
			return dir;
		if (dir >= 0)
			close(dir);
	}
	return tracefs_mount();
}

int tracefs_id(int tracefs, const char *event)
{
	char path[128], text[24] = "";
	int fd;
	ssize_t n;

	snprintf(path, sizeof(path), "events/%s/id", event);
	fd = openat(tracefs, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	return n > 0 ? atoi(text) : -EIO;
}
