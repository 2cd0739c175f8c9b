/* SPDX-License-Identifier: MIT */
/*
 * lower.c: what lies below the devices of mapped files.
 *
 * Who writes there changes what a page of such a file holds when it is read again, and no page cache above shows it. The
 * kernel's programs enter the file system's own device and its disk by themselves; the rest is found by sysfs
 * (Documentation/ABI/stable/sysfs-block, testing/sysfs-block-loop): `loop/backing_file` names the file of a loop device,
 * `slaves` the devices that make up one of a device mapper or of md. A partition has what its disk has.
 *
 * A program that is only watched goes on while this is looked up for the first file that it maps on a device. So all that lies
 * below any device there is is entered at the start, and which device lies on it is kept; as that may change until something on it
 * is mapped, it is looked up once more then.
 */
#include "record/lower.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <utlist.h>

#include "kern/kern.h"

#define SYSFS_MAX 4097 /* of one attribute, with a NUL */
/* Devices on each other: what was changed meanwhile could look like a ring. */
#define DEPTH_MAX 32

/** A device that was looked at, or a loop device's file. */
struct lower {
	uint64_t
		id; /* a device's number, or the key of the file's object, which is an address in the kernel */
	char *path;	/* of the file; NULL: a device */
	uint64_t inode; /* of the file: a key is used again */
	bool early; /* a device as it was at the start, when nothing on it was mapped: it is looked at again */
	struct lower *next;
};

/** The one lies directly on the other. */
struct lying {
	uint64_t low, up;
	struct lying *next;
};

static uint32_t kernel_dev(dev_t dev)
{
	return major(dev) << 20 | minor(dev);
}

static struct lower *find(const struct recorder *r, uint64_t id)
{
	struct lower *l;

	LL_FOREACH (r->lowers, l)
		if (l->id == id)
			return l;
	return NULL;
}

/** Remembers one, with new contents if it was known. False: there is no memory. path: malloced or NULL, taken over. */
static bool remember(struct recorder *r, uint64_t id, char *path, uint64_t inode, bool early)
{
	struct lower *l = find(r, id);

	if (!l) {
		l = calloc(1, sizeof(*l));
		if (!l) {
			free(path);
			return false;
		}
		l->id = id;
		LL_PREPEND(r->lowers, l);
	}
	free(l->path);
	l->path = path;
	l->inode = inode;
	l->early = early;
	return true;
}

/** What lay below something is looked for anew. */
static void forget_below(struct recorder *r, uint64_t up)
{
	struct lying *y, *tmp;

	LL_FOREACH_SAFE (r->lying, y, tmp)
		if (y->up == up) {
			LL_DELETE(r->lying, y);
			free(y);
		}
}

static void lies_on(struct recorder *r, uint64_t up, uint64_t low)
{
	struct lying *y = malloc(sizeof(*y));

	if (!y) {
		r->lower_unknown = true;
		return;
	}
	*y = (struct lying){ .low = low, .up = up };
	LL_PREPEND(r->lying, y);
}

/** One attribute of a device, without its newline. False: it has none. */
static bool attribute(const char *device, const char *name, char ret[static SYSFS_MAX])
{
	char path[PATH_MAX];
	ssize_t n;
	int fd;

	if (snprintf(path, sizeof(path), "%s/%s", device, name) >= (int)sizeof(path))
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, ret, SYSFS_MAX - 1);
	if (fd >= 0)
		close(fd);
	ret[n > 0 ? n : 0] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
	return n > 0;
}

/** The number of a device, by its directory. 0: it can't be told. */
static uint32_t number(const char *device)
{
	char text[SYSFS_MAX];
	unsigned int ma, mi;

	if (!attribute(device, "dev", text) || sscanf(text, "%u:%u", &ma, &mi) != 2)
		return 0;
	return ma << 20 | mi;
}

/** Opens a device for reading, by its number. Descriptor, or -1. */
static int open_device(uint32_t dev)
{
	char path[64], event[SYSFS_MAX], *name = NULL, node[SYSFS_MAX + 8];
	struct stat st;
	FILE *f;
	int fd;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/uevent", dev >> 20, dev & 0xfffff);
	f = fopen(path, "re");
	while (f && !name && fgets(event, sizeof(event), f))
		if (!strncmp(event, "DEVNAME=", 8))
			name = event + 8;
	if (f)
		fclose(f);
	if (!name)
		return -1;
	name[strcspn(name, "\n")] = '\0';
	snprintf(node, sizeof(node), "/dev/%s", name);
	fd = open(node, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0 && (fstat(fd, &st) || !S_ISBLK(st.st_mode) || kernel_dev(st.st_rdev) != dev)) {
		close(fd);
		return -1;
	}
	return fd;
}

static void watch_device(struct recorder *r, uint32_t dev)
{
	const int fd = open_device(dev);
	uint64_t key;

	if (fd < 0)
		return;
	kern__watch_below(r->k, fd, &key);
	close(fd);
}

/** Is the descriptor's file the one that the loop device has now? A path may lead elsewhere in the mount namespace of bprec. */
static bool is_its_file(uint32_t loop, const struct stat *st)
{
	struct loop_info64 info;
	const int fd = open_device(loop);
	const bool told = fd >= 0 && !ioctl(fd, LOOP_GET_STATUS64, &info);

	if (fd >= 0)
		close(fd);
	return told && info.lo_inode == st->st_ino && info.lo_device == st->st_dev;
}

static void below(struct recorder *r, uint32_t dev, bool early);

/** The file of a loop device, which may be a device, too. */
static void watch_file(struct recorder *r, uint32_t loop, const char *path, bool early)
{
	const int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	uint64_t key;

	if (fd < 0)
		return;
	if (!fstat(fd, &st) && is_its_file(loop, &st) && !kern__watch_below(r->k, fd, &key)) {
		const bool is_device = S_ISBLK(st.st_mode);
		const uint32_t dev = kernel_dev(is_device ? st.st_rdev : st.st_dev);

		lies_on(r, loop, is_device ? dev : key);
		if (!is_device && remember(r, key, strdup(path), st.st_ino, early)) {
			forget_below(r, key);
			lies_on(r, key, dev);
		}
		below(r, dev, early);
	}
	close(fd);
}

/** The devices that a directory `slaves` names. */
static void watch_parts(struct recorder *r, uint32_t whole, const char *device, bool early)
{
	char path[PATH_MAX];
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/slaves", device);
	dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		uint32_t dev = 0;

		if (e->d_name[0] != '.' && snprintf(path, sizeof(path), "%s/slaves/%s", device,
						    e->d_name) < (int)sizeof(path))
			dev = number(path);
		if (!dev)
			continue;
		watch_device(r, dev);
		lies_on(r, whole, dev);
		below(r, dev, early);
	}
	if (dir)
		closedir(dir);
}

static void below_partition(struct recorder *r, uint32_t dev, const char *device, bool early)
{
	char path[96];
	uint32_t disk;

	snprintf(path, sizeof(path), "%s/..", device);
	disk = number(path);
	if (!disk)
		return;
	watch_device(r, disk);
	lies_on(r, dev, disk);
	below(r, disk, early);
}

/** What lies below a device that is entered already. */
static void below(struct recorder *r, uint32_t dev, bool early)
{
	const struct lower *known = find(r, dev);
	char device[64], text[SYSFS_MAX];

	if (!(dev >> 20) || (known && (early || !known->early)) ||
	    !remember(r, dev, NULL, 0, early))
		return;
	forget_below(r, dev);
	snprintf(device, sizeof(device), "/sys/dev/block/%u:%u", dev >> 20, dev & 0xfffff);
	if (attribute(device, "partition", text)) {
		below_partition(r, dev, device, early);
		return;
	}
	if (attribute(device, "loop/backing_file", text))
		watch_file(r, dev, text, early);
	watch_parts(r, dev, device, early);
}

void lower__add(struct recorder *r, uint32_t dev)
{
	if (r->k)
		below(r, dev, false);
}

void lower__add_all(struct recorder *r)
{
	char device[PATH_MAX];
	struct dirent *e;
	DIR *dir = r->k ? opendir("/sys/block") : NULL;

	while (dir && (e = readdir(dir)))
		if (e->d_name[0] != '.' && snprintf(device, sizeof(device), "/sys/block/%s",
						    e->d_name) < (int)sizeof(device))
			below(r, number(device), true);
	if (dir)
		closedir(dir);
}

static bool is_below(struct recorder *r, uint64_t id, lower_used_fn is_used, const void *ctx,
		     int depth)
{
	const struct lying *y;

	if (!depth || is_used(r, id, ctx))
		return true;
	LL_FOREACH (r->lying, y)
		if (y->low == id && is_below(r, y->up, is_used, ctx, depth - 1))
			return true;
	return false;
}

bool lower__is_below(struct recorder *r, uint64_t id, lower_used_fn is_used, const void *ctx)
{
	return !find(r, id) || r->lower_unknown || is_below(r, id, is_used, ctx, DEPTH_MAX);
}

const char *lower__file(const struct recorder *r, uint64_t key, uint64_t inode)
{
	const struct lower *l = find(r, key);

	return l && l->inode == inode ? l->path : NULL;
}

void lower__free(struct recorder *r)
{
	struct lower *l, *next;
	struct lying *y, *after;

	LL_FOREACH_SAFE (r->lying, y, after)
		free(y);
	r->lying = NULL;
	LL_FOREACH_SAFE (r->lowers, l, next) {
		free(l->path);
		free(l);
	}
	r->lowers = NULL;
}
