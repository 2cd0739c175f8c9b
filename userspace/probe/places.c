/* SPDX-License-Identifier: MIT */
/*
 * places.c: filesystems to try changes on.
 *
 * What is mounted already and can be written to is used as it is. Besides, ext4, xfs and btrfs are made in sparse files
 * of a tmpfs and mounted through loop devices, an overlay over one of them, and FUSE (bindfs shows a directory of the tmpfs;
 * where there is none, there is no column for it). All of that is in a mount namespace that
 * only the trial has: nobody else sees it, and it is gone with the trial's processes, also when they are killed; the loop
 * devices go with their mounts (LO_FLAGS_AUTOCLEAR).
 */
#include "probe/places.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <mntent.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probe/trial.h"

/* Longest time that making them may take: milliseconds, a hundred times that where the machine is emulated. */
#define PREPARE_TIMEOUT_MS 60000
/* Where mkfs and bindfs are looked for. */
#define SEARCH_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/** How a filesystem is made. */
struct recipe {
	const char *filesystem;
	off_t size;	     /* of the sparse file, bytes: little more than the least it takes */
	const char *mkfs[8]; /* command, the file's name left out */
};

static const struct recipe recipes[] = {
	{ "ext4", 32 << 20, { "mkfs.ext4", "-q", "-F", "-E", "nodiscard" } },
	{ "xfs", 320 << 20, { "mkfs.xfs", "-q", "-f", "-K", "-m", "reflink=1" } },
	{ "btrfs", 128 << 20, { "mkfs.btrfs", "-q", "-f", "-K" } },
};

#define NRECIPES (sizeof(recipes) / sizeof(*recipes))
_Static_assert(NRECIPES + 2 == PLACES_MADE, "and an overlay, and FUSE");

static const struct {
	unsigned long magic;
	const char *name;
} names[] = {
	{ TMPFS_MAGIC, "tmpfs" },   { EXT4_SUPER_MAGIC, "ext4" },
	{ XFS_SUPER_MAGIC, "xfs" }, { BTRFS_SUPER_MAGIC, "btrfs" },
	{ V9FS_MAGIC, "9p" },	    { OVERLAYFS_SUPER_MAGIC, "overlayfs" },
	{ NFS_SUPER_MAGIC, "nfs" }, { F2FS_SUPER_MAGIC, "f2fs" },
};

const char *places__fs_name(unsigned long magic)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (names[i].magic == magic)
			return names[i].name;
	return "?";
}

/* Adds dir unless its filesystem has no name here, or its device was added already. */
static void add_dir(struct place *ret, dev_t *devs, size_t *n, const char *dir)
{
	struct stat st;
	struct statfs fs;

	if (*n == PLACES_MAX || strlen(dir) >= sizeof(ret->dir) || stat(dir, &st) < 0 ||
	    statfs(dir, &fs) < 0)
		return;
	const char *name = places__fs_name((unsigned long)fs.f_type);

	if (*name == '?')
		return;
	for (size_t i = 0; i < *n; i++)
		if (devs[i] == st.st_dev)
			return;
	devs[*n] = st.st_dev;
	ret[*n] = (struct place){ .filesystem = name };
	snprintf(ret[*n].dir, sizeof(ret->dir), "%s", dir);
	snprintf(ret[*n].path, sizeof(ret->path), "%s", dir);
	(*n)++;
}

/* May a mount of this type be used? Not one behind a network, which may hang. */
static bool is_local(const char *type)
{
	static const char *const local[] = { "ext4", "xfs", "btrfs", "overlay", "f2fs" };

	for (size_t i = 0; i < sizeof(local) / sizeof(*local); i++)
		if (!strcmp(type, local[i]))
			return true;
	return false;
}

size_t places__find(struct place *ret)
{
	const char *tmpdir = getenv("TMPDIR");
	const char *const dirs[] = { "/dev/shm", tmpdir ? tmpdir : "/tmp", "/tmp", "/var/tmp" };
	dev_t devs[PLACES_MAX];
	const struct mntent *m;
	size_t n = 0;

	for (size_t i = 0; i < sizeof(dirs) / sizeof(*dirs); i++)
		add_dir(ret, devs, &n, dirs[i]);

	FILE *mounts = setmntent("/proc/self/mounts", "re");

	while (mounts && (m = getmntent(mounts)))
		if (is_local(m->mnt_type) && !hasmntopt(m, "ro"))
			add_dir(ret, devs, &n, m->mnt_dir);
	if (mounts)
		endmntent(mounts);
	return n;
}

__attribute__((format(printf, 2, 3))) static void fail(struct place *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->why, sizeof(p->why), fmt, ap);
	va_end(ap);
}

/* Runs mkfs. Its exit status (127: there is no such program), or -errno. */
static int run_mkfs(const struct recipe *r, const char *image)
{
	char *argv[10] = { 0 };
	int status;
	size_t n = 0;

	while (r->mkfs[n]) {
		argv[n] = (char *)r->mkfs[n];
		n++;
	}
	argv[n] = (char *)image;
	const pid_t pid = trial__fork();

	if (pid == 0) {
		const int null = open("/dev/null", O_RDWR);

		dup2(null, 0);
		dup2(null, 1);
		dup2(null, 2);
		setenv("PATH", SEARCH_PATH, 1);
		execvp(argv[0], argv);
		_exit(127);
	}
	if (pid < 0)
		return pid;
	if (waitpid(pid, &status, 0) != pid)
		return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}

/* Makes the image beside its mount point. 0 or -errno; p->why tells. */
static int make_image(struct place *p, const struct recipe *r, const char *image)
{
	const int fd = open(image, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int err;

	if (fd < 0 || ftruncate(fd, r->size) < 0) {
		err = -errno;
		fail(p, "its file can't be made: %s", trial__errno(errno));
		goto out;
	}
	err = run_mkfs(r, image);
	if (err == 127)
		fail(p, "none is mounted here, and there is no %s", r->mkfs[0]);
	else if (err)
		fail(p, "none is mounted here, and %s failed", r->mkfs[0]);
	if (err)
		err = -EIO;
out:
	if (fd >= 0)
		close(fd);
	return err;
}

static void make_one(struct place *p, const struct recipe *r, const char *top)
{
	char image[64];
	int file, loop;

	snprintf(p->dir, sizeof(p->dir), "%s/%s", top, r->filesystem);
	snprintf(image, sizeof(image), "%s/%s.img", top, r->filesystem);
	if (make_image(p, r, image))
		return;
	file = open(image, O_RDWR | O_CLOEXEC);
	loop = file < 0 ? -errno : loop__attach(file, p->device);
	if (file >= 0)
		close(file);
	if (loop < 0) {
		fail(p, "none is mounted here, and no loop device can be had: %s",
		     trial__errno(-loop));
		return;
	}
	if (mkdir(p->dir, 0700) < 0 || mount(p->device, p->dir, r->filesystem, 0, NULL) < 0) {
		p->absent = errno == ENODEV;
		fail(p, "mount: %s", trial__errno(errno));
	}
	close(loop);
}

/* An overlay, with its layers on the first filesystem with a block device that could be made, else on the tmpfs. */
static void make_overlay(struct place *p, const struct place *others, const char *top)
{
	static const char *const dirs[] = { "low", "up", "work" };
	const char *base = top;
	char options[320], path[96];

	for (size_t i = NRECIPES; i-- > 0;)
		if (!*others[i].why) {
			base = others[i].dir;
			memcpy(p->device, others[i].device, sizeof(p->device));
		}
	for (size_t i = 0; i < sizeof(dirs) / sizeof(*dirs); i++) {
		snprintf(path, sizeof(path), "%s/%s", base, dirs[i]);
		mkdir(path, 0700);
	}
	snprintf(p->dir, sizeof(p->dir), "%s/overlayfs", top);
	snprintf(options, sizeof(options), "lowerdir=%s/low,upperdir=%s/up,workdir=%s/work", base,
		 base, base);
	if (mkdir(p->dir, 0700) < 0 || mount("overlay", p->dir, "overlay", 0, options) < 0) {
		p->absent = errno == ENODEV;
		fail(p, "mount: %s", trial__errno(errno));
	}
}

/* The daemon's life: it stays in the foreground, and goes with its parent. */
static void serve_fuse(const char *below, const char *dir)
{
	const int null = open("/dev/null", O_RDWR);

	dup2(null, 0);
	dup2(null, 1);
	dup2(null, 2);
	setenv("PATH", SEARCH_PATH, 1);
	execlp("bindfs", "bindfs", "-f", below, dir, NULL);
	_exit(127);
}

/* FUSE: bindfs shows a directory of the tmpfs. Waits until it is mounted or the daemon has ended. */
static void make_fuse(struct place *p, const char *top)
{
	char below[80];
	struct statfs fs;
	int status;

	snprintf(below, sizeof(below), "%s/below", top);
	snprintf(p->dir, sizeof(p->dir), "%s/fuse", top);
	if (mkdir(below, 0700) < 0 || mkdir(p->dir, 0700) < 0)
		return fail(p, "its directories can't be made: %s", trial__errno(errno));
	const pid_t pid = trial__fork();

	if (pid == 0)
		serve_fuse(below, p->dir);
	for (unsigned int ms = 0; pid > 0 && ms < PREPARE_TIMEOUT_MS / 2; ms++) {
		if (statfs(p->dir, &fs) == 0 && fs.f_type == FUSE_SUPER_MAGIC)
			return;
		if (waitpid(pid, &status, WNOHANG) == pid)
			return fail(p, "bindfs is missing or failed");
		poll(NULL, 0, 1);
	}
	fail(p, "bindfs has mounted nothing");
}

/* A tmpfs over an empty directory, for all the rest. The directory, or NULL with errno. */
static const char *make_top(void)
{
	static const char *const dirs[] = { "/mnt", "/media", "/srv", "/tmp" };

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return NULL;
	for (size_t i = 0; i < sizeof(dirs) / sizeof(*dirs); i++)
		if (mount("tmpfs", dirs[i], "tmpfs", 0, NULL) == 0)
			return dirs[i];
	return NULL;
}

static void make_all(struct place *made)
{
	const char *top = make_top();

	for (size_t i = 0; i < PLACES_MADE; i++) {
		struct place *p = &made[i];

		if (!top)
			fail(p, "none is mounted here, and there can be none of our own: %s",
			     trial__errno(errno));
		else if (i < NRECIPES)
			make_one(p, &recipes[i], top);
		else if (i == NRECIPES)
			make_overlay(p, made, top);
		else
			make_fuse(p, top);
	}
}

int places__prepare(struct preparation *ret)
{
	struct place *made = trial__shared(PLACES_MADE * sizeof(*made));
	int fds[2];

	if (!made || pipe2(fds, O_CLOEXEC) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < PLACES_MADE; i++)
		made[i].filesystem = i < NRECIPES    ? recipes[i].filesystem
				     : i == NRECIPES ? "overlayfs"
						     : "fuse";
	const pid_t pid = trial__fork();

	if (pid == 0) {
		make_all(made);
		if (write(fds[1], "", 1) == 1)
			pause();
		_exit(0);
	}
	close(fds[1]);
	*ret = (struct preparation){ .made = made, .pid = pid, .done = fds[0] };
	return pid < 0 ? pid : 0;
}

int places__wait(const struct preparation *p)
{
	struct pollfd pfd = { .fd = p->done, .events = POLLIN };
	char byte;

	if (poll(&pfd, 1, PREPARE_TIMEOUT_MS) != 1)
		return -ETIMEDOUT;
	if (read(p->done, &byte, 1) != 1)
		return -EIO;
	/* Not by setns(2), which leaves a chroot(2) for the root of the namespace, and refuses a process whose io_uring has
	 * left threads behind that share its directories. */
	for (size_t i = 0; i < PLACES_MADE; i++)
		snprintf(p->made[i].path, sizeof(p->made[i].path), "/proc/%d/root%s", (int)p->pid,
			 p->made[i].dir);
	return 0;
}
