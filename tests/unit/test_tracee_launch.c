/* SPDX-License-Identifier: MIT */
/* Launch, the filter, the exec stop. */
#include "test_tracee_util.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/personality.h>
#include <sys/stat.h>
#include <time.h>

static int role_plain(void)
{
	return 42;
}

/* Mask and dispositions as the test's main set them before anything else. */
static int role_signals(void)
{
	struct sigaction usr1, usr2;
	sigset_t mask;

	sigaction(SIGUSR1, NULL, &usr1);
	sigaction(SIGUSR2, NULL, &usr2);
	sigprocmask(SIG_SETMASK, NULL, &mask);
	return !(usr1.sa_handler == SIG_IGN && usr2.sa_handler == SIG_DFL &&
		 sigismember(&mask, SIGWINCH) && !sigismember(&mask, SIGHUP));
}

static int role_persona(void)
{
	return !(personality(0xffffffff) & ADDR_NO_RANDOMIZE);
}

/* Calls of all kinds for the filter. */
static int role_calls(void)
{
	syscall(SYS_getppid);
	syscall(SYS_getuid);
	syscall(0x40000000 | SYS_getuid);
	syscall(400);
	syscall(-1);
	syscall(SYS_getgid);
	long ret = 20; /* i386: getpid */
	__asm__ volatile("int $0x80" : "+a"(ret) : : "memory", "r8", "r9", "r10", "r11");
	return 0;
}

/* Time still works without vDSO. */
static int role_time(void)
{
	struct timespec ts;

	return clock_gettime(CLOCK_MONOTONIC, &ts) || ts.tv_sec <= 0;
}

static const struct tracee_role roles[] = {
	{ "plain", role_plain }, { "signals", role_signals }, { "persona", role_persona },
	{ "calls", role_calls }, { "time", role_time },	      { NULL, NULL },
};

static void runs_to_its_end(void **state)
{
	(void)state;
	assert_int_equal(finish(launch_role("plain"), 0), 42);
	assert_int_equal(finish(launch_role("persona"), 0), 0);
}

static void signals_are_handed_on(void **state)
{
	struct sigaction sa = { .sa_handler = SIG_IGN };
	sigset_t mask;

	(void)state;
	sigaction(SIGUSR2, &sa, NULL); /* bprec's own doings must not show */
	sigemptyset(&mask);
	sigaddset(&mask, SIGHUP);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	assert_int_equal(finish(launch_role("signals"), 0), 0);
}

static void failures_have_their_errno(void **state)
{
	char *missing[] = { (char *)"no-such-program-here", NULL };
	char *directory[] = { (char *)"/usr", NULL };
	pid_t pid = -1;
	int status;

	(void)state;
	assert_int_equal(launch_argv(missing, &pid), -ENOENT);
	assert_int_equal(launch_argv(directory, &pid), -EACCES);
	assert_int_equal(pid, -1);
	assert_int_equal(waitpid(-1, &status, __WALL | WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

/* execvp's behaviour: a script without #! is given to the shell. */
static void script_without_interpreter(void **state)
{
	char path[] = "/tmp/test_tracee.XXXXXX";
	int fd = mkstemp(path);
	char *argv[] = { path, NULL };
	pid_t pid;

	(void)state;
	assert_int_equal(write(fd, "exit 7\n", 7), 7);
	fchmod(fd, 0700);
	close(fd);
	assert_int_equal(launch_argv(argv, &pid), 0);
	int end = finish(pid, 0);
	unlink(path);
	assert_int_equal(end, 7);
}

static void found_in_path(void **state)
{
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)"exit 9", NULL };
	pid_t pid;

	(void)state;
	assert_int_equal(launch_argv(argv, &pid), 0);
	assert_int_equal(finish(pid, 0), 9);
}

static int refuse(void *ctx, pid_t pid)
{
	*(pid_t *)ctx = pid;
	return -EXDEV;
}

static void before_exec_can_refuse(void **state)
{
	char *argv[] = { (char *)"true", NULL };
	const struct tracee_launch l = { .argv = argv, .envp = environ, .plain = no_plain };
	pid_t pid = -1, seen = -1;
	int status;

	(void)state;
	assert_int_equal(tracee__launch(&l, refuse, &seen, &pid), -EXDEV);
	assert_int_equal(pid, -1);
	assert_true(seen > 0);
	assert_int_equal(waitpid(seen, &status, __WALL), -1);
	assert_int_equal(errno, ECHILD);
}

static void user_is_dropped(void **state)
{
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)"exit $(id -u)$(id -g)", NULL };
	const struct tracee_launch l = { .argv = argv,
					 .envp = environ,
					 .plain = no_plain,
					 .drop_user = true,
					 .uid = 2,
					 .gid = 1,
					 .user = "bin" };
	pid_t pid;
	int status = 0;

	(void)state;
	if (geteuid())
		skip();
	assert_int_equal(tracee__launch(&l, NULL, NULL, &pid), 0);
	/* The shell's children are tracees too: let everyone go on. */
	pid_t who = pid;
	do {
		ptrace(PTRACE_CONT, who, NULL, NULL);
		who = waitpid(-1, &status, __WALL);
		assert_true(who > 0);
	} while (who != pid || WIFSTOPPED(status));
	assert_int_equal(WEXITSTATUS(status), 21);
}

static bool getppid_is_plain(uint32_t nr)
{
	return nr == SYS_getppid || nr == 400;
}

/* Data and number of the next call; 0: a signal came instead. */
static unsigned long next_data(pid_t pid, uint64_t *ret_nr)
{
	struct regs64 regs;
	unsigned long data;

	if (!at_event(run(pid, PTRACE_CONT, 0), PTRACE_EVENT_SECCOMP))
		return 0;
	assert_int_equal(ptrace(PTRACE_GETEVENTMSG, pid, NULL, &data), 0);
	assert_int_equal(tracee__get_regs(pid, &regs), 0);
	*ret_nr = regs.orig_rax;
	return data;
}

static void filter_sorts_calls(void **state)
{
	static const struct {
		uint64_t nr;
		unsigned long data;
	} expected[] = {
		{ SYS_getppid, TRACEE_SECCOMP_PLAIN },
		{ SYS_getuid, TRACEE_SECCOMP_LOOK },
		{ 0x40000000 | SYS_getuid, TRACEE_SECCOMP_ARCH },
		{ 400, TRACEE_SECCOMP_PLAIN },
		{ ~0ull, TRACEE_SECCOMP_LOOK },
		{ SYS_getgid, TRACEE_SECCOMP_LOOK },
	};
	char *argv[] = { (char *)"/proc/self/exe", (char *)"tracee", (char *)"calls", NULL };
	const struct tracee_launch l = {
		.argv = argv, .envp = environ, .plain = getppid_is_plain, .nr_max = 512
	};
	pid_t pid;
	uint64_t nr;

	(void)state;
	assert_int_equal(tracee__launch(&l, NULL, NULL, &pid), 0);
	while (next_data(pid, &nr) != TRACEE_SECCOMP_PLAIN || nr != SYS_getppid)
		;
	for (size_t i = 1; i < sizeof(expected) / sizeof(*expected); i++) {
		assert_int_equal(next_data(pid, &nr), expected[i].data);
		assert_int_equal(nr, expected[i].nr);
	}
	unsigned long data = next_data(pid, &nr);
	if (data) { /* else int 0x80 is a SIGSEGV: a kernel without 32-bit calls */
		assert_int_equal(data, TRACEE_SECCOMP_ARCH);
		assert_int_equal(nr, 20);
	}
	destroy(pid);
}

static int find_time_mapping(void *ctx, const struct tracee_map *m)
{
	(void)ctx;
	return !strcmp(m->path, "[vdso]") || !strncmp(m->path, "[vvar", 5);
}

static void exec_stop_is_prepared(void **state)
{
	pid_t pid = launch_role("time");
	unsigned char code[4], before[4096], after[4096];
	Elf64_auxv_t auxv[64];
	size_t len = sizeof(auxv);
	uint64_t addr;
	struct regs64 a, b;

	(void)state;
	assert_int_equal(tracee__get_regs(pid, &a), 0);
	assert_int_equal(tracee__read(pid, a.rip & ~4095ull, before, 4096), 4096);
	assert_int_equal(tracee__maps(pid, find_time_mapping, NULL), 1);
	assert_int_equal(tracee__prepare_exec(pid), 0);
	assert_int_equal(tracee__get_regs(pid, &b), 0);
	a.rax = 0; /* the result of execve, which the kernel stores after the exec stop */
	assert_same_regs(&a, &b);
	assert_int_equal(tracee__maps(pid, find_time_mapping, NULL), 0);
	assert_int_equal(tracee__read(pid, TRACEE_PAGE_ADDR, code, 4), 4);
	assert_memory_equal(code, "\x0f\x05\xcc\xcc", 4);
	assert_int_equal(tracee__read(pid, a.rip & ~4095ull, after, 4096), 4096);
	assert_memory_equal(before, after, 4096);
	assert_int_equal(tracee__auxv(pid, auxv, &len, &addr), 0);
	assert_int_equal(auxv[len / sizeof(*auxv) - 1].a_type, AT_NULL);
	bool ignore = false;
	for (size_t i = 0; i < len / sizeof(*auxv); i++) {
		assert_int_not_equal(auxv[i].a_type, AT_SYSINFO_EHDR);
		ignore |= auxv[i].a_type == AT_IGNORE;
	}
	assert_true(ignore);
	assert_int_equal(finish(pid, 0), 0);
}

static int count_private(void *ctx, uint64_t addr, uint64_t n)
{
	(void)addr;
	*(uint64_t *)ctx += n;
	return 0;
}

/* Preparing must not turn a page of the program's file into a private copy. */
static void text_stays_the_file_s(void **state)
{
	pid_t pid = launch_role("plain");
	struct regs64 regs;
	uint64_t n = 0;

	(void)state;
	assert_int_equal(tracee__prepare_exec(pid), 0);
	assert_int_equal(tracee__get_regs(pid, &regs), 0);
	uint64_t page = regs.rip & ~4095ull;
	assert_int_equal(tracee__private_pages(pid, page, page + 4096, count_private, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(finish(pid, 0), 42);
}

static void auxv_beyond_many_arguments(void **state)
{
	enum { N = 3000 };
	char *argv[N + 4] = { (char *)"/proc/self/exe", (char *)"tracee", (char *)"plain" };
	Elf64_auxv_t auxv[64];
	size_t len = sizeof(auxv);
	uint64_t addr;
	pid_t pid;

	(void)state;
	for (int i = 3; i < N; i++)
		argv[i] = (char *)"x";
	assert_int_equal(launch_argv(argv, &pid), 0);
	assert_int_equal(tracee__auxv(pid, auxv, &len, &addr), 0);
	assert_int_equal(addr % 8, 0);
	assert_int_equal(auxv[len / sizeof(*auxv) - 1].a_type, AT_NULL);
	assert_int_equal(tracee__prepare_exec(pid), 0);
	assert_int_equal(finish(pid, 0), 42);
}

static void xstate_comes_and_goes(void **state)
{
	pid_t pid = launch_role("plain");
	static uint8_t buf[65536], again[65536];
	size_t len = sizeof(buf), len2 = sizeof(again);

	(void)state;
	assert_int_equal(tracee__get_xstate(pid, buf, &len), 0);
	assert_int_equal(len, tracee__xstate_size());
	buf[160] ^= 0x5a; /* XMM0 */
	buf[512] |= 2;	  /* XSTATE_BV: SSE is in use */
	assert_int_equal(tracee__set_xstate(pid, buf, len), 0);
	assert_int_equal(tracee__get_xstate(pid, again, &len2), 0);
	assert_int_equal(again[160], buf[160]);
	/* The kernel puts XCR0 into the software-reserved bytes at 464 (arch/x86/kernel/fpu/xstate.c). */
	uint64_t xcr0;
	memcpy(&xcr0, buf + 464, 8);
	assert_int_equal(xcr0, tracee__xcr0());
	assert_int_equal(finish(pid, 0), 42);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_to_its_end),
		cmocka_unit_test(signals_are_handed_on),
		cmocka_unit_test(failures_have_their_errno),
		cmocka_unit_test(script_without_interpreter),
		cmocka_unit_test(found_in_path),
		cmocka_unit_test(before_exec_can_refuse),
		cmocka_unit_test(user_is_dropped),
		cmocka_unit_test(filter_sorts_calls),
		cmocka_unit_test(exec_stop_is_prepared),
		cmocka_unit_test(text_stays_the_file_s),
		cmocka_unit_test(auxv_beyond_many_arguments),
		cmocka_unit_test(xstate_comes_and_goes),
	};
	sigset_t mask;

	be_tracee(argc, argv, roles);
	signal(SIGUSR1, SIG_IGN);
	sigemptyset(&mask);
	sigaddset(&mask, SIGWINCH);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	tracee__save_signals();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
