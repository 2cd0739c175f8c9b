/* SPDX-License-Identifier: MIT */
#include "probe/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* How often another process may take the free device before us. */
#define TRIES 32

/* Attaches file to loop device n. Descriptor or -errno; -EBUSY: it is no longer free. */
static int attach_to(int n, int file, char ret_path[LOOP_PATH_MAX])
{
	const struct loop_info64 info = { .lo_flags = LO_FLAGS_AUTOCLEAR };
	int fd, err;

	snprintf(ret_path, LOOP_PATH_MAX, "/dev/loop%d", n);
	fd = open(ret_path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (ioctl(fd, LOOP_SET_FD, file) < 0) {
		err = -errno;
		goto out;
	}
	if (ioctl(fd, LOOP_SET_STATUS64, &info) == 0)
		return fd;
	err = -errno;
	ioctl(fd, LOOP_CLR_FD, 0);
out:
	close(fd);
	return err;
}

int loop__attach(int file, char ret_path[LOOP_PATH_MAX])
{
	const int ctl = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int fd = -EBUSY;

	if (ctl < 0)
		return -errno;
	for (unsigned int i = 0; i < TRIES && fd == -EBUSY; i++) {
		const int n = ioctl(ctl, LOOP_CTL_GET_FREE);

		fd = n < 0 ? -errno : attach_to(n, file, ret_path);
	}
	close(ctl);
	return fd;
}
