/* SPDX-License-Identifier: MIT */
/*
 * stamp.c: size and times of files.
 *
 * Whatever writes, cuts or exchanges the contents of a file moves its size or one of its times, whoever does it: parts of the
 * kernel that write into files by themselves, too (accounting, core dumps, file servers). So an object that nobody could
 * write, as far as we know, is looked at once more if they moved (look.c, resave.c).
 *
 * A time is that of the last clock tick, which is at most 10 ms old (ktime_get_coarse_real_ts64); since 6.13 one that was asked
 * for isn't given again (Documentation/filesystems/multigrain-ts.rst: btrfs, ext4, tmpfs, xfs). Of a file that changed a moment
 * before it was looked at they tell nothing.
 */
#include "record/stamp.h"

#include <sys/stat.h>
#include <time.h>

#define TICK_NS 20000000 /* twice the longest tick of the kernel, 1 / CONFIG_HZ */

static int64_t as_ns(const struct timespec *t)
{
	return (int64_t)t->tv_sec * 1000000000 + t->tv_nsec;
}

struct file_stamp stamp__of(const struct object *o)
{
	struct file_stamp s = { 0 };
	struct timespec now;
	struct stat st;

	if (o->fd < 0 || fstat(o->fd, &st))
		return s;
	clock_gettime(CLOCK_REALTIME, &now);
	s.size = st.st_size;
	s.mtime_ns = as_ns(&st.st_mtim);
	s.ctime_ns = as_ns(&st.st_ctim);
	s.fresh = s.ctime_ns + TICK_NS > as_ns(&now);
	return s;
}

bool stamp__moved(const struct recorder *r, const struct object *o)
{
	const struct file_stamp *old = &o->stamp;
	struct file_stamp now;

	if (!r->k || o->fd < 0 || o->device || o->layered || o->stores_inside || !o->saved.n)
		return false;
	now = stamp__of(o);
	return old->fresh || now.size != old->size || now.mtime_ns != old->mtime_ns ||
	       now.ctime_ns != old->ctime_ns;
}
