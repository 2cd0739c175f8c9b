/* SPDX-License-Identifier: MIT */
/* Memory, maps, private pages, files of a tracee. The tracee and the test share addresses: the test maps an area before it
 * starts a child by fork, so that both know what is where. */
#include "test_tracee_util.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>

#define PAGE 4096ul

/* A stopped child with a copy of our memory. */
static pid_t fork_stopped(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	assert_int_equal(ptrace(PTRACE_SEIZE, pid, NULL, (void *)PTRACE_O_EXITKILL), 0);
	assert_int_equal(ptrace(PTRACE_INTERRUPT, pid, NULL, NULL), 0);
	assert_true(at_event(wait_stop(pid), PTRACE_EVENT_STOP));
	return pid;
}

static char *map_pages(size_t n)
{
	char *p = mmap(NULL, n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

static void reads_stop_at_unmapped_pages(void **state)
{
	char *p = map_pages(4), buf[4 * PAGE];

	(void)state;
	memset(p, 'a', 2 * PAGE);
	memset(p + PAGE, 'b', PAGE);
	mprotect(p + PAGE, PAGE, PROT_NONE);
	munmap(p + 2 * PAGE, PAGE);
	pid_t pid = fork_stopped();
	uint64_t at = (uint64_t)p;
	assert_int_equal(tracee__read(pid, at, buf, 4 * PAGE), 2 * PAGE);
	assert_int_equal(buf[PAGE - 1], 'a');
	assert_int_equal(buf[PAGE], 'b'); /* PROT_NONE is read too */
	assert_int_equal(tracee__read(pid, at + 100, buf, 5), 5);
	assert_int_equal(tracee__read(pid, at + 2 * PAGE, buf, 1), -EFAULT);
	assert_int_equal(tracee__read(pid, at + 3 * PAGE, buf, PAGE), PAGE);
	destroy(pid);
	assert_int_equal(tracee__read(pid, at, buf, 1), -ESRCH);
	munmap(p, 4 * PAGE);
}

static void writes_go_through_protection(void **state)
{
	char *p = map_pages(3), buf[16];

	(void)state;
	p[0] = 1;
	mprotect(p, PAGE, PROT_READ);
	munmap(p + 2 * PAGE, PAGE);
	pid_t pid = fork_stopped();
	uint64_t at = (uint64_t)p;
	assert_int_equal(tracee__write(pid, at + PAGE - 3, "abcdef", 6), 0);
	assert_int_equal(tracee__read(pid, at + PAGE - 3, buf, 6), 6);
	assert_memory_equal(buf, "abcdef", 6);
	assert_int_equal(tracee__write(pid, at + 2 * PAGE - 3, "abcdef", 6), -EFAULT);
	destroy(pid);
	munmap(p, 2 * PAGE);
}

static void strings_end_before_a_hole(void **state)
{
	char *p = map_pages(3), buf[2 * PAGE];

	(void)state;
	munmap(p + 2 * PAGE, PAGE);
	memset(p, 'x', 2 * PAGE);
	p[2 * PAGE - 1] = '\0';
	pid_t pid = fork_stopped();
	uint64_t at = (uint64_t)p;
	assert_int_equal(tracee__read_string(pid, at + 2 * PAGE - 5, buf, sizeof(buf)), 4);
	assert_string_equal(buf, "xxxx");
	assert_int_equal(tracee__read_string(pid, at, buf, sizeof(buf)), 2 * PAGE - 1);
	assert_int_equal(tracee__read_string(pid, at, buf, 10), 9);
	assert_string_equal(buf, "xxxxxxxxx");
	assert_int_equal(tracee__read_string(pid, at + 2 * PAGE, buf, 10), -EFAULT);
	destroy(pid);
	munmap(p, 2 * PAGE);
}

/* With --user: attached as root, then without privileges. Of an undumpable process there is PEEKDATA left. */
static int peek_unprivileged(char *p)
{
	char buf[32] = "";
	pid_t pid = fork_stopped();

	if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
		return 2;
	errno = 0;
	struct iovec to = { buf, 1 }, from = { p, 1 };
	if (process_vm_readv(pid, &to, 1, &from, 1, 0) >= 0 || errno != EPERM)
		return 3;
	if (tracee__read(pid, (uint64_t)p + 3, buf, 11) != 11 || strcmp(buf, "lo, tracee"))
		return 4;
	if (tracee__write(pid, (uint64_t)p + 5, "XY", 2) ||
	    tracee__read(pid, (uint64_t)p, buf, 14) != 14 || strcmp(buf, "helloXYtracee"))
		return 5;
	return 0;
}

static void undumpable_process(void **state)
{
	char *p = map_pages(1);
	int status;

	(void)state;
	if (geteuid())
		skip();
	strcpy(p, "hello, tracee");
	pid_t pid = fork();
	if (pid == 0)
		_exit(peek_unprivileged(p));
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	munmap(p, PAGE);
}

/* --- maps --- */

struct find {
	uint64_t addr;
	bool found;
	struct tracee_map map;
	char path[512];
};

static int find_map(void *ctx, const struct tracee_map *m)
{
	struct find *f = ctx;

	if (m->start != f->addr)
		return 0;
	f->found = true;
	f->map = *m;
	snprintf(f->path, sizeof(f->path), "%s", m->path);
	f->map.path = f->path;
	return 7;
}

static int make_file(const char *path, size_t pages)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	for (size_t i = 0; i < pages; i++) {
		char page[PAGE];
		memset(page, (int)('A' + i), PAGE);
		assert_int_equal(write(fd, page, PAGE), PAGE);
	}
	return fd;
}

static void assert_reads(int fd, char first)
{
	char c = 0;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &c, 1, 0), 1);
	assert_int_equal(c, first);
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	close(fd);
}

/* A mapping of a file at `path`: its line and a descriptor for it. */
static void check_file(const char *path, bool deleted)
{
	int fd = make_file(path, 3);
	char *p = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, PAGE);
	struct find f = { .addr = (uint64_t)p };
	struct stat st;
	bool dup = true;

	fstat(fd, &st);
	if (deleted)
		unlink(path);
	pid_t pid = fork_stopped();
	assert_int_equal(tracee__maps(pid, find_map, &f), 7);
	assert_int_equal(f.map.end, f.addr + 2 * PAGE);
	assert_int_equal(f.map.offset, PAGE);
	assert_int_equal(f.map.prot, PROT_READ);
	assert_true(f.map.shared);
	assert_int_equal(f.map.inode, st.st_ino);
	assert_int_equal(makedev(f.map.major, f.map.minor), st.st_dev);
	if (!deleted)
		assert_string_equal(f.path, path);
	assert_reads(tracee__open_map(pid, &f.map), 'A');
	assert_reads(tracee__get_fd(pid, fd, &dup), 'A');
	assert_false(dup);
	destroy(pid);
	munmap(p, 2 * PAGE);
	close(fd);
	unlink(path);
}

static void files_of_all_kinds(void **state)
{
	char dir[] = "/tmp/test_tracee.XXXXXX", path[256];

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/plain", dir);
	check_file(path, false);
	check_file(path, true);
	snprintf(path, sizeof(path), "%s/new\nline and\tblank", dir);
	check_file(path, false);
	rmdir(dir);
	snprintf(path, sizeof(path), "/dev/shm/test_tracee.%d", (int)getpid());
	check_file(path, false);
	check_file(path, true);
}

static void memfd_and_others(void **state)
{
	int mem = memfd_create("test", MFD_CLOEXEC), pipes[2];
	bool dup;
	pid_t pid;

	(void)state;
	assert_int_equal(write(mem, "M", 1), 1);
	lseek(mem, 0, SEEK_SET);
	assert_int_equal(pipe(pipes), 0);
	char *p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, mem, 0);
	int null = open("/dev/null", O_RDWR);
	pid = fork_stopped();
	struct find f = { .addr = (uint64_t)p };
	assert_int_equal(tracee__maps(pid, find_map, &f), 7);
	assert_false(f.map.shared);
	assert_reads(tracee__open_map(pid, &f.map), 'M');
	int fd = tracee__get_fd(pid, mem, &dup);
	assert_int_equal(lseek(fd, 5, SEEK_SET), 5); /* a position of its own */
	assert_int_equal(lseek(mem, 0, SEEK_CUR), 0);
	assert_reads(fd, 'M');
	assert_int_equal(tracee__get_fd(pid, pipes[0], &dup), -ENODEV);
	assert_int_equal(tracee__get_fd(pid, null, &dup), -ENODEV);
	assert_int_equal(tracee__get_fd(pid, 1023, &dup), -EBADF);
	destroy(pid);
	assert_int_equal(tracee__get_fd(pid, mem, &dup), -ESRCH);
	munmap(p, PAGE);
	close(mem);
	close(null);
	close(pipes[0]);
	close(pipes[1]);
}

/* Opens by name what map_files does not show: a range that is no mapping's. */
static void by_name_only_if_the_same(void **state)
{
	char path[64];
	struct stat st;

	(void)state;
	snprintf(path, sizeof(path), "/dev/shm/test_tracee_name.%d", (int)getpid());
	int fd = make_file(path, 1);
	fstat(fd, &st);
	pid_t pid = fork_stopped();
	struct tracee_map m = { .start = 4096,
				.end = 8192,
				.major = major(st.st_dev),
				.minor = minor(st.st_dev),
				.inode = st.st_ino,
				.path = path };
	assert_reads(tracee__open_map(pid, &m), 'A');
	rename(path, strcat(strcpy((char[80]){ 0 }, path), ".old"));
	int other = make_file(path, 1);
	assert_int_equal(tracee__open_map(pid, &m), -ESTALE);
	unlink(path);
	assert_int_equal(tracee__open_map(pid, &m), -ENOENT);
	unlink(strcat(path, ".old"));
	destroy(pid);
	close(other);
	close(fd);
}

/* --- pagemap --- */

struct pages {
	uint64_t base;
	char text[128];
};

static int note_pages(void *ctx, uint64_t addr, uint64_t n)
{
	struct pages *p = ctx;
	size_t len = strlen(p->text);

	snprintf(p->text + len, sizeof(p->text) - len, "%lu+%lu ", (addr - p->base) / PAGE, n);
	return 0;
}

static const char *private_pages(pid_t pid, const char *p, size_t npages)
{
	static struct pages pages;

	pages = (struct pages){ .base = (uint64_t)p };
	assert_int_equal(tracee__private_pages(pid, pages.base, pages.base + npages * PAGE,
					       note_pages, &pages),
			 0);
	return pages.text;
}

static void copies_of_a_file(void **state)
{
	char path[64];

	(void)state;
	snprintf(path, sizeof(path), "/dev/shm/test_tracee_copy.%d", (int)getpid());
	int fd = make_file(path, 8);
	unlink(path);
	char *priv = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	char *shared = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	volatile char sum = 0;
	for (size_t i = 0; i < 8; i++)
		sum += priv[i * PAGE] + shared[i * PAGE];
	priv[1 * PAGE] = priv[2 * PAGE] = priv[5 * PAGE] = 1;
	shared[3 * PAGE] = 1;
	pid_t pid = fork_stopped();
	assert_string_equal(private_pages(pid, priv, 8), "1+2 5+1 ");
	assert_string_equal(private_pages(pid, shared, 8), "");
	destroy(pid);
	munmap(priv, 8 * PAGE);
	munmap(shared, 8 * PAGE);
	close(fd);
}

static void big_reservation(void **state)
{
	const size_t n = (1ul << 40) / PAGE;
	char *p = mmap(NULL, n * PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	(void)state;
	if (p == MAP_FAILED)
		skip();
	madvise(p, n * PAGE, MADV_NOHUGEPAGE);
	p[3 * PAGE] = p[4 * PAGE] = p[1000000 * PAGE] = p[(n - 1) * PAGE] = 1;
	pid_t pid = fork_stopped();
	assert_string_equal(private_pages(pid, p, n), "3+2 1000000+1 268435455+1 ");
	destroy(pid);
	munmap(p, n * PAGE);
}

/* --- what /proc tells of a thread --- */

static void signals_and_blocked_call(void **state)
{
	uint64_t caught, ignored, blocked, args[6];
	uint32_t nr = 0;
	sigset_t set;

	(void)state;
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGUSR1, _exit);
		signal(SIGUSR2, SIG_IGN);
		sigemptyset(&set);
		sigaddset(&set, SIGHUP);
		sigprocmask(SIG_SETMASK, &set, NULL);
		for (;;)
			syscall(SYS_pause, 11, 22);
	}
	wait_blocked(pid, SYS_pause);
	assert_int_equal(tracee__blocked_call(pid, pid, &nr, args), 1);
	assert_int_equal(nr, SYS_pause);
	assert_int_equal(args[0], 11);
	assert_int_equal(args[1], 22);
	assert_int_equal(tracee__signals(pid, pid, &caught, &ignored, &blocked), 0);
	assert_true(caught >> (SIGUSR1 - 1) & 1);
	assert_true(ignored >> (SIGUSR2 - 1) & 1);
	assert_int_equal(blocked, 1);
	destroy(pid);
	assert_int_equal(tracee__signals(pid, pid, &caught, &ignored, &blocked), -ESRCH);
	assert_int_equal(tracee__blocked_call(pid, pid, &nr, args), -ESRCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_stop_at_unmapped_pages),
		cmocka_unit_test(writes_go_through_protection),
		cmocka_unit_test(strings_end_before_a_hole),
		cmocka_unit_test(undumpable_process),
		cmocka_unit_test(files_of_all_kinds),
		cmocka_unit_test(memfd_and_others),
		cmocka_unit_test(by_name_only_if_the_same),
		cmocka_unit_test(copies_of_a_file),
		cmocka_unit_test(big_reservation),
		cmocka_unit_test(signals_and_blocked_call),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
