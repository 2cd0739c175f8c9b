/* SPDX-License-Identifier: MIT */
/* facts_mem.c: ways of knowing and controlling which pages a process touches, and of getting at its descriptors. */
#include "probe/facts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE 4096ul

/* From linux/userfaultfd.h and linux/fs.h of 6.7: older headers lack them. */
#define FEATURE_WP_UNPOPULATED (1ull << 13)
#define FEATURE_WP_ASYNC       (1ull << 15)
#define SCAN_WP_MATCHING       1ull
#define SCAN_CHECK_WPASYNC     2ull
#define CATEGORY_WRITTEN       2ull
struct scan_region {
	uint64_t start, end, categories;
};
struct scan_arg {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
#define IOCTL_PAGEMAP_SCAN _IOWR('f', 16, struct scan_arg)

/* A memfd of n pages. Descriptor or -errno. */
static int make_memfd(unsigned long n)
{
	const int fd = memfd_create("bprec-probe", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	return ftruncate(fd, (off_t)(n * PAGE)) < 0 ? -errno : fd;
}

/* A userfaultfd with features. Descriptor, or -errno; *what names the call that failed. */
static int make_uffd(uint64_t features, const char **what)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	const int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	*what = "userfaultfd";
	if (fd < 0)
		return -errno;
	*what = "UFFDIO_API";
	return ioctl(fd, UFFDIO_API, &api) < 0 ? -errno : fd;
}

/* What the two processes of a trial with pidfd_getfd tell each other. */
struct meeting {
	int fd;		  /* descriptor in the child, or -errno */
	const char *what; /* the call that failed (same program image in both) */
	int memfd;	  /* contents of `map` */
	char *map;	  /* address in the child */
	char seen;	  /* what the child read there */
	int ready[2];	  /* pipe: a byte when fd is set, another when seen is */
};

static void meet(const struct meeting *m)
{
	if (write(m->ready[1], "", 1) != 1)
		_exit(1);
}

/* Waits for the other side's byte, for a second. */
static bool met(const struct meeting *m)
{
	struct pollfd pfd = { .fd = m->ready[0], .events = POLLIN };
	char byte;

	return poll(&pfd, 1, 1000) == 1 && read(m->ready[0], &byte, 1) == 1;
}

/* Forks `child` and waits until it has set m->fd. Its pid, or -errno; t has the answer then. */
static pid_t start_meeting(struct trial *t, struct meeting *m, void (*child)(struct meeting *))
{
	if (pipe2(m->ready, O_CLOEXEC) < 0) {
		trial__unknown(t, "pipe: %s", trial__errno(errno));
		return -errno;
	}
	const pid_t pid = trial__fork();

	if (pid == 0) {
		child(m);
		pause();
		_exit(0);
	}
	if (pid > 0 && met(m))
		return pid;
	trial__unknown(t, "no child for the trial");
	return -ECHILD;
}

/* The other process's descriptor, in ours. Descriptor or -errno; *what names the call that failed. */
static int fetch_fd(pid_t pid, int fd, const char **what)
{
	const int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

	*what = "pidfd_open";
	if (pidfd < 0)
		return -errno;
	*what = "pidfd_getfd";
	const int got = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);

	return got < 0 ? -errno : got;
}

static void offer_memfd(struct meeting *m)
{
	m->fd = make_memfd(1);
	if (m->fd >= 0 && pwrite(m->fd, "from the child", 14, 0) != 14)
		m->fd = -EIO;
	meet(m);
}

void fact__pidfd_getfd(struct trial *t, void *arg)
{
	struct meeting *m = trial__shared(sizeof(*m));
	const char *what;
	char buf[14];

	(void)arg;
	if (!m)
		return trial__unknown(t, "no memory");
	const pid_t pid = start_meeting(t, m, offer_memfd);

	if (pid < 0)
		return;
	const int fd = fetch_fd(pid, m->fd, &what);

	if (fd < 0)
		return trial__refused(t, CAP_SYS_PTRACE, what, -fd);
	if (pread(fd, buf, sizeof(buf), 0) == sizeof(buf) && !memcmp(buf, "from the child", 14))
		trial__yes(t, "a child's memfd was fetched and read");
	else
		trial__no(t, "a descriptor came, but it was not the child's memfd");
}

/* Registers a mapping of the memfd for minor faults, then reads from it: waits there until the page is let in. */
static void wait_for_page(struct meeting *m)
{
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MINOR };

	m->map = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, m->memfd, 0);
	m->fd = make_uffd(UFFD_FEATURE_MINOR_SHMEM, &m->what);
	reg.range.start = (uintptr_t)m->map;
	reg.range.len = PAGE;
	if (m->fd >= 0 && ioctl(m->fd, UFFDIO_REGISTER, &reg) < 0) {
		m->what = "UFFDIO_REGISTER";
		m->fd = -errno;
	}
	meet(m);
	if (m->fd < 0)
		return;
	m->seen = *(volatile char *)m->map;
	meet(m);
}

/* Gets the fault, fills the page, lets it in. 0 or -errno; *what names the step that failed. */
static int serve_fault(const struct meeting *m, int uffd, const char **what)
{
	struct pollfd pfd = { .fd = uffd, .events = POLLIN };
	struct uffdio_continue cont = { .range = { (uintptr_t)m->map, PAGE } };
	struct uffd_msg msg;

	*what = "no fault came";
	if (poll(&pfd, 1, 1000) != 1 || read(uffd, &msg, sizeof(msg)) != sizeof(msg))
		return -ETIMEDOUT;
	*what = "a fault of another kind came";
	if (msg.event != UFFD_EVENT_PAGEFAULT ||
	    !(msg.arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_MINOR))
		return -EPROTO;
	*what = "write to the memfd";
	if (pwrite(m->memfd, "B", 1, 0) != 1)
		return -errno;
	*what = "UFFDIO_CONTINUE";
	return ioctl(uffd, UFFDIO_CONTINUE, &cont) < 0 ? -errno : 0;
}

void fact__uffd_minor(struct trial *t, void *arg)
{
	struct meeting *m = trial__shared(sizeof(*m));
	const char *what;

	(void)arg;
	if (!m)
		return trial__unknown(t, "no memory");
	m->memfd = make_memfd(1);
	if (m->memfd < 0 || pwrite(m->memfd, "A", 1, 0) != 1)
		return trial__unknown(t, "no memfd");
	const pid_t pid = start_meeting(t, m, wait_for_page);

	if (pid < 0)
		return;
	if (m->fd < 0)
		return trial__refused(t, CAP_SYS_PTRACE, m->what, -m->fd);
	const int uffd = fetch_fd(pid, m->fd, &what);

	if (uffd < 0)
		return trial__unknown(t, "registered, but not fetched from outside: %s: %s", what,
				      trial__errno(-uffd));
	const int err = serve_fault(m, uffd, &what);

	if (err)
		return trial__no(t, "registered, then %s: %s", what, trial__errno(-err));
	if (met(m) && m->seen == 'B')
		trial__yes(
			t,
			"a child's read waited until the page was filled and let in from outside");
	else
		trial__no(t, "the page was let in, but the child did not see what was put there");
}

/* Word of /proc/self/pagemap for addr; 0 if it can't be read. */
static uint64_t pagemap_word(int pagemap, const void *addr)
{
	uint64_t w = 0;

	if (pread(pagemap, &w, sizeof(w), (off_t)((uintptr_t)addr / PAGE * sizeof(w))) != sizeof(w))
		return 0;
	return w;
}

void fact__soft_dirty(struct trial *t, void *arg)
{
	const uint64_t soft_dirty = 1ull << 55;
	const int clear = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
	const int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	const int fd = make_memfd(1);
	volatile char *map;

	(void)arg;
	if (clear < 0 || pagemap < 0)
		return trial__no(t, "clear_refs or pagemap: %s", trial__errno(errno));
	map = fd < 0 ? MAP_FAILED : mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return trial__unknown(t, "no memfd");
	*map = 1;
	if (write(clear, "4", 1) != 1)
		return trial__no(t, "writing 4 to clear_refs: %s", trial__errno(errno));
	const bool before = pagemap_word(pagemap, (void *)map) & soft_dirty;

	*map = 2;
	const bool after = pagemap_word(pagemap, (void *)map) & soft_dirty;

	if (!before && after)
		trial__yes(t,
			   "clear_refs cleared bit 55 of a memfd's page, and a store set it again");
	else
		trial__no(t,
			  "clear_refs was accepted, but bit 55 was %d before a store and %d after",
			  before, after);
}

/* Pages [map, map + 4) that were written; write-protects them again. Number of regions, or -errno. */
static int scan_written(int pagemap, char *map, struct scan_region *ret, unsigned int max)
{
	struct scan_arg arg = {
		.size = sizeof(arg),
		.flags = SCAN_WP_MATCHING | SCAN_CHECK_WPASYNC,
		.start = (uintptr_t)map,
		.end = (uintptr_t)map + 4 * PAGE,
		.vec = (uintptr_t)ret,
		.vec_len = max,
		.category_mask = CATEGORY_WRITTEN,
		.return_mask = CATEGORY_WRITTEN,
	};
	const int n = ioctl(pagemap, IOCTL_PAGEMAP_SCAN, &arg);

	return n < 0 ? -errno : n;
}

/* Registers [map, map + 4 pages) for asynchronous write protection. 0 or -errno with *what. */
static int protect_async(char *map, const char **what)
{
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_WP,
				       .range = { (uintptr_t)map, 4 * PAGE } };
	const int uffd = make_uffd(FEATURE_WP_ASYNC | FEATURE_WP_UNPOPULATED, what);

	if (uffd < 0)
		return uffd;
	*what = "UFFDIO_REGISTER";
	return ioctl(uffd, UFFDIO_REGISTER, &reg) < 0 ? -errno : 0;
}

void fact__pagemap_scan(struct trial *t, void *arg)
{
	const int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	char *map =
		mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct scan_region found[4] = { 0 };
	const char *what;

	(void)arg;
	if (pagemap < 0 || map == MAP_FAILED)
		return trial__unknown(t, "pagemap or memory: %s", trial__errno(errno));
	memset(map, 1, 4 * PAGE);
	int err = protect_async(map, &what);

	if (err)
		return trial__refused(t, CAP_SYS_PTRACE, what, -err);
	err = scan_written(pagemap, map, found, 4);
	if (err < 0)
		return trial__no(t, "ioctl PAGEMAP_SCAN: %s", trial__errno(-err));
	*(volatile char *)(map + 2 * PAGE) = 2;
	err = scan_written(pagemap, map, found, 4);
	if (err == 1 && found[0].start == (uintptr_t)map + 2 * PAGE &&
	    found[0].end == found[0].start + PAGE)
		trial__yes(t, "after arming, exactly the one page that was stored to was listed");
	else
		trial__no(t, "after arming and one store, %d ranges were listed", err);
}
