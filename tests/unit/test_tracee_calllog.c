/* SPDX-License-Identifier: MIT */
/* libs: -ldl */
/* The code that logs calls, run in this process; and the wrappers of the C library that it stands in for. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "tracee/calllog.h"
#include "tracee/wrappers.h"

static struct calllog_head *head = (struct calllog_head *)CALLLOG_ADDR;

/* Code and log at their addresses. */
static int set_up(void **state)
{
	const int prot = PROT_READ | PROT_WRITE,
		  how = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
	void *page = mmap((void *)TRACEE_PAGE_ADDR, BPREC_PAGE_SIZE, prot, how, -1, 0);
	void *log = mmap((void *)CALLLOG_ADDR, CALLLOG_BYTES, prot, how, -1, 0);
	size_t len;
	const void *code = calllog__code(&len);

	(void)state;
	if (page != (void *)TRACEE_PAGE_ADDR || log != (void *)CALLLOG_ADDR ||
	    CALLLOG_CODE + len > CALLLOG_ADDR)
		return -1;
	memcpy((void *)CALLLOG_CODE, code, len);
	return mprotect(page, BPREC_PAGE_SIZE, PROT_READ | PROT_EXEC);
}

/* As a wrapper does it; *clean: were the registers that a call destroys zeros afterwards, and its arguments as before? */
static long call(uint32_t nr, long a, long b, long c, long d, bool *clean)
{
	const uint64_t entry = calllog__entry(nr);
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = 0x88;
	register long r9 __asm__("r9") = 0x99;
	register long r11 __asm__("r11");
	long ret, rdi = a, rsi = b, rdx = c, rcx;

	__asm__ volatile("sub $128, %%rsp; call *%%rax; lea 128(%%rsp), %%rsp"
			 : "=a"(ret), "+D"(rdi), "+S"(rsi), "+d"(rdx), "+r"(r10), "+r"(r8),
			   "+r"(r9), "=c"(rcx), "=r"(r11)
			 : "a"(entry)
			 : "memory", "cc");
	*clean = rdi == a && rsi == b && rdx == c && r10 == d && r8 == 0x88 && r9 == 0x99 && !rcx &&
		 !r11;
	return ret;
}

static void switch_on(void)
{
	memset(head, 0, CALLLOG_BYTES);
	head->next = CALLLOG_FIRST;
	head->limit = CALLLOG_LIMIT;
}

static void logs_what_it_calls(void **state)
{
	const struct calllog_entry *e = (const void *)CALLLOG_FIRST;
	char buf[256] = "";
	struct stat st, log_st;
	bool clean;

	(void)state;
	switch_on();
	const long n =
		call(SYS_readlink, (long)"/proc/self/exe", (long)buf, sizeof(buf), 7, &clean);
	assert_true(n > 0 && clean);
	assert_int_equal(e->nr, SYS_readlink);
	assert_int_equal(e->ret, n);
	assert_int_equal(e->args[1], (long)buf);
	assert_int_equal(e->args[3], 7);
	assert_int_equal(e->args[4], 0x88);
	assert_int_equal(e->args[5], 0x99);
	assert_memory_equal(e + 1, buf, n);
	assert_int_equal(head->next, CALLLOG_FIRST + sizeof(*e) + ((n + 7) & ~7));

	e = (const void *)head->next;
	assert_int_equal(call(SYS_newfstatat, AT_FDCWD, (long)"/", (long)&st, 0, &clean), 0);
	assert_true(clean);
	memcpy(&log_st, e + 1, sizeof(log_st));
	assert_memory_equal(&log_st, &st, sizeof(st));
	assert_int_equal(head->next, (uint64_t)(e + 1) + sizeof(st));

	e = (const void *)head->next;
	assert_int_equal(call(SYS_access, (long)"/no such", F_OK, 0, 0, &clean), -ENOENT);
	assert_true(clean);
	assert_int_equal(e->ret, -ENOENT);
	assert_int_equal(head->next, (uint64_t)(e + 1));
	assert_int_equal(call(SYS_lseek, -1, 0, 0, 0, &clean), -EBADF);
	assert_int_equal(e[1].nr, SYS_lseek);
}

static void logs_only_opens_that_read(void **state)
{
	const struct calllog_entry *e = (const void *)CALLLOG_FIRST;
	const int others[] = { O_WRONLY,  O_RDWR,  O_RDONLY | O_CREAT, O_RDONLY | O_TRUNC, O_PATH,
			       O_ACCMODE, O_ASYNC, O_TMPFILE | O_RDWR };
	bool clean;

	(void)state;
	switch_on();
	const long fd = call(SYS_openat, AT_FDCWD, (long)"/",
			     O_RDONLY | O_NOCTTY | O_CLOEXEC | O_DIRECTORY | O_NOFOLLOW, 0, &clean);
	assert_true(fd >= 0 && clean);
	close((int)fd);
	assert_int_equal(e->nr, SYS_openat);
	assert_int_equal(e->ret, fd);
	assert_int_equal(head->next, (uint64_t)(e + 1));
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		assert_int_equal(call(SYS_openat, AT_FDCWD, (long)"/no/such", others[i], 0, &clean),
				 -ENOENT);
		assert_true(clean);
		assert_int_equal(head->next, (uint64_t)(e + 1));
	}
}

static void does_not_log_when_off_or_full(void **state)
{
	char buf[8192];
	bool clean;

	(void)state;
	memset(head, 0, CALLLOG_BYTES); /* as in a child, and in a replay */
	assert_int_equal(call(SYS_lseek, -1, 0, 0, 0, &clean), -EBADF);
	assert_true(clean);
	assert_int_equal(head->next, 0);
	switch_on();
	assert_true(call(SYS_readlink, (long)"/proc/self/exe", (long)buf, sizeof(buf), 0, &clean) >
		    0); /* more than there is room for */
	assert_true(clean);
	assert_int_equal(head->next, CALLLOG_FIRST);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(call(SYS_lseek, -1, i, 0, 0, &clean), -EBADF);
	assert_true(head->next >= CALLLOG_LIMIT);
	assert_true(head->next < CALLLOG_LIMIT + sizeof(struct calllog_entry));
	assert_int_equal(((uint8_t *)CALLLOG_ADDR)[CALLLOG_BYTES - 1], 0);
}

static void knows_places(void **state)
{
	size_t len;

	(void)state;
	calllog__code(&len);
	assert_int_equal(calllog__place(CALLLOG_CODE - 1), CALLLOG_OUTSIDE);
	assert_int_equal(calllog__place(CALLLOG_CODE + len), CALLLOG_OUTSIDE);
	assert_int_equal(calllog__place(calllog__entry(SYS_readlink)), CALLLOG_BEFORE);
	assert_int_equal(calllog__place(calllog__return() - 2), CALLLOG_BEFORE);
	assert_int_equal(calllog__place(calllog__return()), CALLLOG_MADE);
	assert_int_equal(calllog__place(CALLLOG_CODE + len - 1),
			 CALLLOG_LOGGED); /* back from a call that stopped */
	assert_int_equal(calllog__entry(SYS_getpid), 0);
}

static void leads_out(void **state)
{
	const struct calllog_entry e = { .nr = SYS_access, .args = { 11, 22, 33 } };
	struct regs64 regs = { .rip = calllog__return(),
			       .rax = 5,
			       .rdi = 1,
			       .rsi = 2,
			       .rdx = 33,
			       .rsp = 1000,
			       .eflags = 0x246 | 1,
			       .rcx = 9,
			       .r11 = 9,
			       .orig_rax = SYS_access };
	struct regs64 back = regs;

	(void)state;
	calllog__leave(&regs, &e, 4711);
	assert_int_equal(regs.rip, 4711);
	assert_int_equal(regs.rsp, 1008);
	assert_int_equal(regs.rax, 5);
	assert_int_equal(regs.rdi, 11);
	assert_int_equal(regs.rsi, 22);
	assert_int_equal(regs.rcx | regs.r11, 0);
	assert_int_equal(regs.eflags, 0x246);
	assert_int_equal(regs.orig_rax, ~0ull);

	calllog__go_back(&back, &e);
	assert_int_equal(calllog__place(back.rip), CALLLOG_STOPS);
	assert_int_equal(back.rax, SYS_access);
	assert_int_equal(back.rdi, 11);
	back.rip = calllog__entry(SYS_lseek);
	calllog__go_back(&back, NULL);
	assert_int_equal(back.rax, SYS_lseek);
}

/* A copy of this machine's C library in a file without a name. */
static int copy_libc(void)
{
	const int to = memfd_create("libc", 0);
	char buf[65536];
	Dl_info info;
	ssize_t n;

	assert_true(dladdr((void *)gnu_get_libc_version, &info));
	const int from = open(info.dli_fname, O_RDONLY);
	assert_true(from >= 0 && to >= 0);
	while ((n = read(from, buf, sizeof(buf))) > 0)
		assert_int_equal(write(to, buf, n), n);
	close(from);
	return to;
}

static void finds_wrappers(void **state)
{
	const int fd = copy_libc();
	uint8_t bytes[WRAPPER_BYTES], found[WRAPPER_BYTES];
	struct wrappers w, less;
	size_t n;
	const uint32_t *nr = calllog__numbers(&n);

	(void)state;
	wrappers__find(fd, nr, n, &w);
	if (strcmp(gnu_get_libc_version(), "2.36") && !w.n)
		skip();
	assert_int_equal(w.n, n + 2); /* two functions each that close and that open */
	for (size_t i = 0; i < w.n; i++) {
		wrapper__bytes(&w.v[i], bytes);
		assert_int_equal(pread(fd, found, sizeof(found), (off_t)w.v[i].offset),
				 sizeof(found));
		assert_memory_equal(bytes, found, sizeof(found));
	}
	/* one byte behind the call is another: not the function that we know */
	assert_int_equal(pwrite(fd, "\x90", 1, (off_t)w.v[0].offset + WRAPPER_BYTES + 4), 1);
	wrappers__find(fd, nr, n, &less);
	assert_int_equal(less.n, w.n - 1);
	assert_int_equal(ftruncate(fd, 1000), 0);
	wrappers__find(fd, nr, n, &less);
	assert_int_equal(less.n, 0);
	wrappers__find(-1, nr, n, &less);
	assert_int_equal(less.n, 0);
	close(fd);
}

static void patches(void **state)
{
	uint8_t now[WRAPPER_BYTES];

	(void)state;
	wrapper__patch(&(struct wrapper){ .nr = 3 }, 0x70000130, now);
	assert_memory_equal(now, "\xb8\x30\x01\x00\x70\xff\xd0", sizeof(now));
	wrapper__patch(&(struct wrapper){ .nr = 257, .at_cwd = true }, 0x70000130, now);
	assert_memory_equal(now, "\xbf\x30\x01\x00\x70\xff\xd7", sizeof(now));
}

/* ld.so exports none of them. */
static void finds_those_of_ld_so(void **state)
{
	const int fd = open("/lib64/ld-linux-x86-64.so.2", O_RDONLY);
	size_t n, cwd = 0, stats = 0, closes = 0;
	const uint32_t *nr = calllog__numbers(&n);
	uint8_t bytes[WRAPPER_BYTES], found[WRAPPER_BYTES];
	struct wrappers w;

	(void)state;
	assert_true(fd >= 0);
	wrappers__find(fd, nr, n, &w);
	if (strcmp(gnu_get_libc_version(), "2.36") && !w.n)
		skip();
	for (size_t i = 0; i < w.n; i++) {
		wrapper__bytes(&w.v[i], bytes);
		assert_int_equal(pread(fd, found, sizeof(found), (off_t)w.v[i].offset),
				 sizeof(found));
		assert_memory_equal(bytes, found, sizeof(found));
		cwd += w.v[i].at_cwd;
		stats += w.v[i].nr == SYS_newfstatat;
		closes += w.v[i].nr == SYS_close;
	}
	assert_true(cwd == 1 && stats == 1 && closes == 1);
	close(fd);
}

/* As a function that would set edi next: rax is set. */
static long open_cwd(const char *path, int flags)
{
	long ret, rdi = (long)calllog__entry_cwd(), rsi = (long)path, rdx = flags;

	__asm__ volatile("sub $128, %%rsp; call *%%rdi; lea 128(%%rsp), %%rsp"
			 : "=a"(ret), "+D"(rdi), "+S"(rsi), "+d"(rdx)
			 : "a"(SYS_openat)
			 : "memory", "cc", "rcx", "r11", "r10");
	assert_int_equal((uint32_t)rdi, (uint32_t)AT_FDCWD);
	return ret;
}

static void opens_from_here(void **state)
{
	const struct calllog_entry *e = (void *)CALLLOG_FIRST;
	struct regs64 back = { .rip = calllog__entry_cwd() };
	long fd;

	(void)state;
	head->next = CALLLOG_FIRST;
	head->limit = CALLLOG_LIMIT;
	fd = open_cwd("/", O_RDONLY | O_DIRECTORY);
	assert_true(fd >= 0 && !close((int)fd));
	assert_int_equal(head->next, CALLLOG_FIRST + sizeof(*e));
	assert_int_equal(e->nr, SYS_openat);
	assert_int_equal((uint32_t)e->args[0], (uint32_t)AT_FDCWD);
	assert_int_equal(e->ret, fd);
	assert_int_equal(open_cwd("/nothing/there", O_RDONLY), -ENOENT);
	assert_int_equal(open_cwd("/", O_RDWR), -EISDIR);
	assert_int_equal(
		head->next,
		CALLLOG_FIRST + 2 * sizeof(*e)); /* the last one may write: by the way that stops */
	assert_int_equal(calllog__place(back.rip), CALLLOG_BEFORE);
	calllog__go_back(&back, NULL);
	assert_int_equal(back.rax, SYS_openat);
	assert_int_equal(back.rdi, (uint32_t)AT_FDCWD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(logs_what_it_calls),
		cmocka_unit_test(logs_only_opens_that_read),
		cmocka_unit_test(does_not_log_when_off_or_full),
		cmocka_unit_test(knows_places),
		cmocka_unit_test(leads_out),
		cmocka_unit_test(finds_wrappers),
		cmocka_unit_test(finds_those_of_ld_so),
		cmocka_unit_test(opens_from_here),
		cmocka_unit_test(patches),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
