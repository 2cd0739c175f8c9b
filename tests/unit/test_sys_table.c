// SPDX-License-Identifier: MIT
/*
 * test_sys_table.c: the table against asm/unistd_64.h, and what it says of classes, waiting and descriptors.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "sys/new_nr.h"
#include "sys/rules.h"

static FILE *open_header(void)
{
	static const char *const paths[] = { "/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
					     "/usr/include/asm/unistd_64.h" };

	for (size_t i = 0; i < 2; i++) {
		FILE *f = fopen(paths[i], "re");

		if (f)
			return f;
	}
	fail_msg("asm/unistd_64.h isn't there (linux-libc-dev)");
	return NULL;
}

/* Every number of the header has a row with its name. */
static void numbers_of_the_header(void **state)
{
	FILE *f = open_header();
	char line[256], name[128];
	int nr, n = 0;

	(void)state;
	while (fgets(line, sizeof(line), f)) {
		const struct sys_call *c;

		if (sscanf(line, "#define __NR_%127s %d", name, &nr) != 2)
			continue;
		c = sys__lookup((uint64_t)nr);
		if (!c)
			fail_msg("%s (%d) has no row", name, nr);
		assert_string_equal(c->name, name);
		assert_int_equal(sys__number(name), nr);
		n++;
	}
	fclose(f);
	assert_true(n >= 350);
}

/* The numbers that are newer than Debian 12's header. */
static void newer_numbers(void **state)
{
	static const char *const names[] = {
		"cachestat",	     "fchmodat2",	  "map_shadow_stack", "futex_wake",
		"futex_wait",	     "futex_requeue",	  "statmount",	      "listmount",
		"lsm_get_self_attr", "lsm_set_self_attr", "lsm_list_modules", "mseal",
		"setxattrat",	     "getxattrat",	  "listxattrat",      "removexattrat",
		"open_tree_attr",    "file_getattr",	  "file_setattr"
	};

	(void)state;
	for (int i = 0; i < 19; i++)
		assert_int_equal(sys__number(names[i]), 451 + i);
	assert_int_equal(sys__number("uretprobe"), 335);
	assert_int_equal(sys__number("uprobe"), 336);
}

/* What the table doesn't know fails closed. */
static void unknown_numbers(void **state)
{
	static const uint64_t none[] = { 337, 423, 470, 511, 512, 1u << 30, 0x40000000, ~0ull };
	struct sys_invocation in = { .nr = 470 };

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_null(sys__lookup(none[i]));
	assert_int_equal(sys__number("no_such_call"), -1);
	assert_int_equal(sys__outputs(&in, NULL, NULL), -ENOSYS);
	assert_int_equal(sys__touched(&in, NULL, NULL), -ENOSYS);
	assert_true(sys__may_touch(&in, 1, 2));
}

/* Every row is complete. */
static void rows_are_whole(void **state)
{
	(void)state;
	for (uint64_t nr = 0; nr < SYS_NR_MAX; nr++) {
		const struct sys_call *c = sys__lookup(nr);

		if (!c)
			continue;
		assert_true(c->nargs <= 6);
		assert_non_null(c->rules);
		assert_true(c->sysclass > SYS_CLASS_UNKNOWN && c->sysclass <= SYS_CLASS_SPECIAL);
		assert_int_equal(c->refuse_errno != 0, c->sysclass == SYS_CLASS_REFUSED);
		assert_int_equal(sys__number(c->name), nr);
	}
}

/* No command is written down twice. */
static void commands_are_unique(void **state)
{
	const struct sys_case *const lists[] = {
		sys_fcntl_cases,    sys_prctl_cases,   sys_arch_prctl_cases, sys_semctl_cases,
		sys_shmctl_cases,   sys_msgctl_cases,  sys_keyctl_cases,     sys_quota_cases,
		sys_syslog_cases,   sys_seccomp_cases, sys_futex_cases,	     sys_sysfs_cases,
		sys_fsconfig_cases, sys_ioctl_cases
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		for (const struct sys_case *c = lists[i]; c->name; c++)
			if (sys_case_find(lists[i], c->value) != c)
				fail_msg("%s has the number of another", c->name);
}

/* A list of names, separated by spaces, all of one class. */
static void of_class(const char *names, int sysclass, int refuse_errno)
{
	char name[64];
	int len;

	for (; sscanf(names, " %63s%n", name, &len) == 1; names += len) {
		const struct sys_call *c = sys__lookup((uint64_t)sys__number(name));

		if (!c || c->sysclass != sysclass || c->refuse_errno != refuse_errno)
			fail_msg("%s has another class or error", name);
	}
}

static void classes(void **state)
{
	(void)state;
	of_class("mmap munmap mprotect mremap brk shmat shmdt pkey_mprotect mseal madvise",
		 SYS_CLASS_MM, 0);
	of_class("exit exit_group execve execveat fork vfork clone clone3", SYS_CLASS_TREE, 0);
	of_class("rt_sigreturn rt_sigsuspend pause restart_syscall", SYS_CLASS_SIGNAL, 0);
	of_class(
		"sendfile splice tee vmsplice copy_file_range seccomp prctl arch_prctl personality "
		"sched_setaffinity set_tid_address set_robust_list",
		SYS_CLASS_SPECIAL, 0);
	of_class("io_uring_setup io_uring_enter io_uring_register io_setup io_submit rseq "
		 "remap_file_pages memfd_secret modify_ldt process_vm_writev process_madvise",
		 SYS_CLASS_REFUSED, ENOSYS);
	of_class("userfaultfd perf_event_open bpf ptrace iopl ioperm", SYS_CLASS_REFUSED, EPERM);
}

/* Flags of one call. */
static uint16_t flags_of(const char *name)
{
	const struct sys_call *c = sys__lookup((uint64_t)sys__number(name));

	assert_non_null(c);
	return c->flags;
}

static void all_have(const char *names, uint16_t flag)
{
	char name[64];
	int len;

	for (; sscanf(names, " %63s%n", name, &len) == 1; names += len)
		if (!(flags_of(name) & flag))
			fail_msg("%s lacks flag %u", name, flag);
}

static void flags(void **state)
{
	(void)state;
	/* signal(7), "Interruption of system calls and library functions by signal handlers", and open, vfork, truncate */
	all_have("read readv pread64 preadv preadv2 write writev pwrite64 pwritev pwritev2 ioctl "
		 "open openat openat2 creat open_by_handle_at wait4 waitid accept accept4 connect "
		 "recvfrom recvmsg recvmmsg sendto sendmsg sendmmsg flock fcntl mq_timedreceive "
		 "mq_timedsend futex futex_wait futex_waitv request_key pause rt_sigsuspend "
		 "rt_sigtimedwait epoll_wait epoll_pwait epoll_pwait2 poll ppoll select pselect6 "
		 "msgrcv msgsnd semop semtimedop clock_nanosleep nanosleep io_getevents "
		 "io_pgetevents splice tee vmsplice sendfile copy_file_range syslog vfork truncate "
		 "restart_syscall",
		 SYS_MAY_BLOCK);
	/* the same page, "stop signals", and sockets with a time-out, by whatever call */
	all_have(
		"epoll_wait epoll_pwait epoll_pwait2 semop semtimedop rt_sigtimedwait io_getevents "
		"recvfrom recvmsg recvmmsg accept accept4 connect sendto sendmsg read write",
		SYS_EINTR_BOUND);
	all_have("write pwrite64 writev pwritev pwritev2 ftruncate fallocate sendfile",
		 SYS_WRITES_FD);
	all_have("open openat creat socket accept dup dup2 dup3 epoll_create1 memfd_create "
		 "eventfd2 timerfd_create signalfd4 inotify_init1 pidfd_open",
		 SYS_OPENS);
	all_have("sched_yield", SYS_YIELDS);
	assert_false(flags_of("getpid") & (SYS_MAY_BLOCK | SYS_WRITES_FD | SYS_OPENS));
	assert_false(flags_of("poll") & SYS_EINTR_BOUND);
}

static bool waits(long nr, const uint64_t args[6])
{
	struct sys_invocation in = { .nr = (uint32_t)nr };

	memcpy(in.args, args, sizeof(in.args));
	return sys__may_block(&in);
}
#define WAITS(nr, ...) waits(nr, (const uint64_t[6]){ __VA_ARGS__ })

static void may_block(void **state)
{
	(void)state;
	assert_true(WAITS(SYS_read, 0));
	assert_false(WAITS(SYS_getpid, 0));
	assert_false(WAITS(SYS_ptrace, 0));
	assert_false(WAITS(470, 0));
	assert_true(WAITS(SYS_futex, 0, FUTEX_WAIT | FUTEX_PRIVATE_FLAG));
	assert_true(WAITS(SYS_futex, 0, FUTEX_LOCK_PI));
	assert_false(WAITS(SYS_futex, 0, FUTEX_WAKE | FUTEX_PRIVATE_FLAG));
	assert_false(WAITS(SYS_futex, 0, FUTEX_CMP_REQUEUE | FUTEX_CLOCK_REALTIME));
	assert_true(WAITS(SYS_futex, 0, 99));
	assert_true(WAITS(SYS_fcntl, 0, F_SETLKW));
	assert_true(WAITS(SYS_fcntl, 0, F_OFD_SETLKW));
	assert_false(WAITS(SYS_fcntl, 0, F_GETFL));
	assert_true(WAITS(SYS_ioctl, 0, TCSBRK));
	assert_true(WAITS(SYS_ioctl, 0, 0x12345678));
	assert_false(WAITS(SYS_ioctl, 0, FIONREAD));
	assert_true(WAITS(SYS_wait4, 0, 0, 0));
	assert_false(WAITS(SYS_wait4, 0, 0, WNOHANG));
	assert_true(WAITS(SYS_waitid, 0, 0, 0, WEXITED));
	assert_false(WAITS(SYS_waitid, 0, 0, 0, WEXITED | WNOHANG));
	assert_true(WAITS(SYS_poll, 0, 0, (uint64_t)-1));
	assert_false(WAITS(SYS_poll, 0, 0, 0));
	assert_false(WAITS(SYS_poll, 0, 0, 0xffffffff00000000));
	assert_true(WAITS(SYS_epoll_wait, 0, 0, 0, 10));
	assert_false(WAITS(SYS_epoll_wait, 0, 0, 0, 0));
	assert_true(WAITS(SYS_recvfrom, 0, 0, 0, 0));
	assert_false(WAITS(SYS_recvfrom, 0, 0, 0, MSG_DONTWAIT));
	assert_false(WAITS(SYS_recvmsg, 0, 0, MSG_DONTWAIT));
	assert_true(WAITS(SYS_clone, CLONE_VM | CLONE_VFORK));
	assert_false(WAITS(SYS_clone, CLONE_VM));
}

static int written(long nr, const uint64_t args[6])
{
	struct sys_invocation in = { .nr = (uint32_t)nr };

	memcpy(in.args, args, sizeof(in.args));
	return sys__write_fd(&in);
}
#define WRITTEN(nr, ...) written(nr, (const uint64_t[6]){ __VA_ARGS__ })

static void write_fd(void **state)
{
	(void)state;
	assert_int_equal(WRITTEN(SYS_write, 5), 5);
	assert_int_equal(WRITTEN(SYS_sendfile, 5, 6), 5);
	assert_int_equal(WRITTEN(SYS_splice, 5, 0, 7), 7);
	assert_int_equal(WRITTEN(SYS_copy_file_range, 5, 0, 7), 7);
	assert_int_equal(WRITTEN(SYS_ioctl, 5, FICLONE, 7), 5);
	assert_int_equal(WRITTEN(SYS_ioctl, 5, FICLONERANGE, 7), 5);
	assert_int_equal(WRITTEN(SYS_ioctl, 5, FIONREAD), -1);
	assert_int_equal(WRITTEN(SYS_read, 5), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_of_the_header),
		cmocka_unit_test(newer_numbers),
		cmocka_unit_test(unknown_numbers),
		cmocka_unit_test(rows_are_whole),
		cmocka_unit_test(commands_are_unique),
		cmocka_unit_test(classes),
		cmocka_unit_test(flags),
		cmocka_unit_test(may_block),
		cmocka_unit_test(write_fd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
