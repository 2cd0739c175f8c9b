/* SPDX-License-Identifier: MIT */
/* Injected calls, at every kind of stop. What the program sees afterwards is checked by the program. */
#include "test_tracee_util.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>

static const uint64_t none[6];

/* --- roles --- */

static volatile sig_atomic_t hits, hit_value, hit_code;
static void *volatile hit_addr;

static void on_signal(int sig, siginfo_t *info, void *ctx)
{
	(void)sig;
	(void)ctx;
	hits++;
	hit_code = info->si_code;
	hit_value = info->si_value.sival_int;
	hit_addr = info->si_addr;
}

static void handle(int sig, int flags)
{
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | flags };

	sigaction(sig, &sa, NULL);
}

static int role_calls(void)
{
	for (int i = 0; i < 50; i++) {
		if (syscall(SYS_getpid, 1, 2, 3, 4, 5, 6) != getpid())
			return 1;
	}
	return 0;
}

/* A read that waits; a signal with or without SA_RESTART, or nothing at all, ends the wait in between. */
static int wait_in_read(int flags, bool expect_eintr)
{
	int fds[2];
	char c = 0;

	handle(SIGUSR1, flags);
	if (pipe(fds))
		return 1;
	if (fork() == 0) { /* writes when asked to by SIGUSR2, so that the parent's read ends */
		int sig;
		sigset_t set;
		sigemptyset(&set);
		sigaddset(&set, SIGTERM);
		sigwait(&set, &sig);
		_exit(write(fds[1], "x", 1) != 1);
	}
	errno = 0;
	ssize_t n = read(fds[0], &c, 1);
	if (expect_eintr)
		return !(n == -1 && errno == EINTR && hits == 1);
	return !(n == 1 && c == 'x');
}

static int role_eintr(void)
{
	return wait_in_read(0, true);
}

static int role_nanosleep(void)
{
	const struct timespec ts = { 0, 300000000 };
	struct timespec rem, a, b;

	clock_gettime(CLOCK_MONOTONIC, &a);
	if (nanosleep(&ts, &rem))
		return 1;
	clock_gettime(CLOCK_MONOTONIC, &b);
	return (b.tv_sec - a.tv_sec) * 1000000000l + b.tv_nsec - a.tv_nsec < 300000000l;
}

/* Waits in a read that some other end finishes: stdin is a pipe of the test's. */
static int role_read(void)
{
	char c;

	handle(SIGUSR1, SA_RESTART);
	return read(0, &c, 1) == 1 && c == 'x' ? hits : 100;
}

static int role_value(void)
{
	handle(SIGUSR1, 0);
	union sigval v = { .sival_int = 1234 };
	sigqueue(getpid(), SIGUSR1, v);
	return !(hits == 1 && hit_value == 1234 && hit_code == SI_QUEUE);
}

static sigjmp_buf jump;

static void on_fault(int sig, siginfo_t *info, void *ctx)
{
	on_signal(sig, info, ctx);
	siglongjmp(jump, 1);
}

static int role_fault(void)
{
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };

	sigaction(SIGSEGV, &sa, NULL);
	if (!sigsetjmp(jump, 1))
		*(volatile char *)0x1230 = 1;
	return !(hits == 1 && hit_addr == (void *)0x1230 && hit_code == SEGV_MAPERR);
}

static int role_spin(void)
{
	handle(SIGUSR1, 0);
	while (!hits)
		syscall(SYS_getppid);
	return !(hits == 1 && hit_value == 77);
}

static int role_ppoll(void)
{
	sigset_t set, none_set;

	handle(SIGUSR1, 0);
	sigemptyset(&none_set);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_SETMASK, &set, NULL);
	int ret = ppoll(NULL, 0, NULL, &none_set);
	sigprocmask(SIG_SETMASK, NULL, &none_set);
	return !(ret == -1 && errno == EINTR && hits == 1 && sigismember(&none_set, SIGUSR1));
}

static int role_fork(void)
{
	int status;
	pid_t child = fork();

	if (child == 0)
		_exit(5);
	return !(child > 0 && waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 5);
}

static int role_vfork(void)
{
	int status;
	pid_t child = vfork();

	if (child == 0)
		_exit(6);
	return !(child > 0 && waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 6);
}

/* Refuses getpid by a filter of its own. */
static int role_filter(void)
{
	struct sock_filter insns[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EXDEV),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { 4, insns };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		return 1;
	if (syscall(SYS_getppid) <= 0)
		return 2;
	return !(syscall(SYS_getpid) == -1 && errno == EXDEV);
}

static atomic_int counter, stop_counting;

static void *count(void *arg)
{
	while (!atomic_load(&stop_counting))
		atomic_fetch_add(&counter, 1);
	return arg;
}

static int role_threads(void)
{
	pthread_t t;

	pthread_create(&t, NULL, count, NULL);
	while (!atomic_load(&counter))
		;
	for (int i = 0; i < 20; i++)
		syscall(SYS_getppid);
	atomic_store(&stop_counting, 1);
	pthread_join(t, NULL);
	return 0;
}

static const struct tracee_role roles[] = {
	{ "calls", role_calls }, { "eintr", role_eintr },   { "nanosleep", role_nanosleep },
	{ "read", role_read },	 { "value", role_value },   { "fault", role_fault },
	{ "spin", role_spin },	 { "ppoll", role_ppoll },   { "fork", role_fork },
	{ "vfork", role_vfork }, { "filter", role_filter }, { "threads", role_threads },
	{ NULL, NULL },
};

/* --- tests --- */

/* Injects getpid; registers and mask must be as before. */
static void inject_getpid(pid_t pid)
{
	struct regs64 before, after;
	uint64_t mask_before = 1, mask_after = 2;
	int64_t ret = 0;

	assert_int_equal(tracee__get_regs(pid, &before), 0);
	ptrace(PTRACE_GETSIGMASK, pid, (void *)8, &mask_before);
	assert_int_equal(tracee__inject(pid, SYS_getpid, none, &ret), 0);
	assert_int_equal(ret, pid);
	assert_int_equal(tracee__get_regs(pid, &after), 0);
	assert_same_regs(&before, &after);
	ptrace(PTRACE_GETSIGMASK, pid, (void *)8, &mask_after);
	assert_int_equal(mask_before, mask_after);
}

static pid_t start(const char *role)
{
	pid_t pid = launch_role(role);

	assert_int_equal(tracee__prepare_exec(pid), 0);
	return pid;
}

/* With stdin from a pipe, whose writing end is returned. */
static pid_t start_reader(const char *role, int *ret_fd)
{
	int fds[2], saved = dup(0);

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	dup2(fds[0], 0);
	pid_t pid = start(role);
	dup2(saved, 0);
	close(saved);
	close(fds[0]);
	*ret_fd = fds[1];
	return pid;
}

static void before_there_is_a_page(void **state)
{
	pid_t pid = launch_role("calls");
	struct regs64 regs;
	char before[16], after[16];
	int64_t ret;

	(void)state;
	tracee__get_regs(pid, &regs);
	tracee__read(pid, regs.rip, before, 16);
	assert_int_equal(tracee__inject(pid, SYS_getpid, none, &ret), 0);
	assert_int_equal(ret, pid);
	tracee__read(pid, regs.rip, after, 16);
	assert_memory_equal(before, after, 16);
	assert_int_equal(finish(pid, 0), 0);
}

static void at_seccomp_stop(void **state)
{
	pid_t pid = start("calls");
	const uint64_t args[6] = { 0,	  8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				   ~0ull, 0 };
	unsigned long data;

	(void)state;
	for (int i = 0; i < 20; i++) {
		struct regs64 before = run_to_call(pid, SYS_getpid), after;
		int64_t ret;
		assert_int_equal(tracee__inject_at_entry(pid, SYS_mmap, args, &ret), 0);
		assert_true(ret > 0 && ret % 4096 == 0);
		assert_int_equal(tracee__write(pid, (uint64_t)ret, "scratch", 8), 0);
		assert_int_equal(tracee__get_regs(pid, &after), 0);
		assert_same_regs(&before, &after);
		ptrace(PTRACE_GETEVENTMSG, pid, NULL, &data);
		assert_int_equal(data, TRACEE_SECCOMP_LOOK);
		inject_getpid(pid);
		/* The result of the call itself comes with the next stop. */
		assert_true(at_syscall(run(pid, PTRACE_SYSCALL, 0)));
		tracee__get_regs(pid, &after);
		assert_int_equal(after.rax, pid);
		inject_getpid(pid);
		assert_int_equal(tracee__inject_at_entry(pid, SYS_getpid, none, &ret), -EINVAL);
	}
	assert_int_equal(finish(pid, 0), 0);
}

/* To the exit stop of read, into which the thread has fallen asleep and was waked from by `wake`. */
static void interrupt_call(pid_t pid, uint64_t nr, int sig, int64_t expected)
{
	struct regs64 regs;

	ptrace(PTRACE_SYSCALL, pid, NULL, NULL);
	wait_blocked(pid, (uint32_t)nr);
	if (sig)
		kill(pid, sig);
	else
		ptrace(PTRACE_INTERRUPT, pid, NULL, NULL);
	assert_true(at_syscall(wait_stop(pid)));
	assert_int_equal(tracee__get_regs(pid, &regs), 0);
	assert_int_equal(regs.rax, expected);
}

static void interrupted_call_is_restarted(void **state)
{
	int fd;
	pid_t pid = start_reader("read", &fd);
	int status;

	(void)state;
	run_to_call(pid, SYS_read); /* ld.so's */
	for (struct regs64 r = { .rdi = 3 }; r.rdi != 0;)
		r = run_to_call(pid, SYS_read);
	interrupt_call(pid, SYS_read, 0, -512);
	inject_getpid(pid);
	inject_getpid(pid); /* at the PTRACE_EVENT_STOP it left */
	status = run(pid, PTRACE_CONT, 0);
	assert_true(at_event(status, PTRACE_EVENT_SECCOMP)); /* the restart */
	interrupt_call(pid, SYS_read, 0, -512);
	inject_getpid(pid);
	ptrace(PTRACE_CONT, pid, NULL, NULL);
	assert_true(at_event(wait_stop(pid), PTRACE_EVENT_SECCOMP));
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
	assert_int_equal(finish(pid, 0), 0);
}

static void interrupted_call_with_handler_and_restart(void **state)
{
	int fd;
	pid_t pid = start_reader("read", &fd);

	(void)state;
	for (struct regs64 r = { .rdi = 3 }; r.rdi != 0;)
		r = run_to_call(pid, SYS_read);
	interrupt_call(pid, SYS_read, SIGUSR1, -512);
	inject_getpid(pid);
	assert_true(at_signal(run(pid, PTRACE_CONT, 0), SIGUSR1));
	inject_getpid(pid);
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
	assert_int_equal(finish(pid, SIGUSR1), 1);
}

static void interrupted_call_gets_eintr(void **state)
{
	int status = 0;
	pid_t pid = start("eintr");

	(void)state;
	do {
		status = run(pid, PTRACE_CONT, 0);
	} while (!at_event(status, PTRACE_EVENT_FORK));
	unsigned long child;
	ptrace(PTRACE_GETEVENTMSG, pid, NULL, &child);
	wait_stop((pid_t)child);
	run_to_call(pid, SYS_read);
	interrupt_call(pid, SYS_read, SIGUSR1, -512);
	inject_getpid(pid);
	assert_true(at_signal(run(pid, PTRACE_CONT, 0), SIGUSR1));
	inject_getpid(pid);
	assert_int_equal(finish(pid, SIGUSR1), 0);
	destroy((pid_t)child);
}

static void interrupted_sleep_goes_on(void **state)
{
	pid_t pid = start("nanosleep");

	(void)state;
	run_to_call(pid, SYS_clock_nanosleep);
	interrupt_call(pid, SYS_clock_nanosleep, 0, -516);
	inject_getpid(pid);
	assert_true(at_event(run(pid, PTRACE_CONT, 0), PTRACE_EVENT_SECCOMP)); /* restart_syscall */
	struct regs64 regs;
	tracee__get_regs(pid, &regs);
	assert_int_equal(regs.orig_rax, SYS_restart_syscall);
	inject_getpid(pid);
	assert_int_equal(finish(pid, 0), 0);
}

static void temporary_mask_is_left_alone(void **state)
{
	pid_t pid = start("ppoll");
	int64_t ret;
	int status;

	(void)state;
	run_to_call(pid, SYS_ppoll);
	interrupt_call(pid, SYS_ppoll, SIGUSR1, -514);
	assert_int_equal(tracee__inject(pid, SYS_getpid, none, &ret), -EAGAIN);
	status = run(pid, PTRACE_CONT, 0);
	assert_true(at_signal(status, SIGUSR1));
	assert_int_equal(tracee__inject(pid, SYS_getpid, none, &ret), -EAGAIN);
	assert_int_equal(finish(pid, SIGUSR1), 0);
}

static void signal_keeps_its_value(void **state)
{
	pid_t pid = start("value");
	siginfo_t a, b;
	int status;

	(void)state;
	do {
		status = run(pid, PTRACE_CONT, 0);
	} while (!at_signal(status, SIGUSR1));
	ptrace(PTRACE_GETSIGINFO, pid, NULL, &a);
	inject_getpid(pid);
	inject_getpid(pid);
	ptrace(PTRACE_GETSIGINFO, pid, NULL, &b);
	assert_memory_equal(&a, &b, sizeof(a));
	assert_int_equal(finish(pid, SIGUSR1), 0);
}

static void fault_keeps_its_address(void **state)
{
	pid_t pid = start("fault");
	int status;

	(void)state;
	do {
		status = run(pid, PTRACE_CONT, 0);
	} while (!at_signal(status, SIGSEGV));
	inject_getpid(pid);
	assert_int_equal(finish(pid, SIGSEGV), 0);
}

static void group_stop_stays_one(void **state)
{
	pid_t pid = start("calls");
	int status;

	(void)state;
	run_to_call(pid, SYS_getpid);
	kill(pid, SIGSTOP);
	do {
		status = run(pid, PTRACE_CONT, 0);
	} while (!at_signal(status, SIGSTOP));
	inject_getpid(pid);
	status = run(pid, PTRACE_CONT, SIGSTOP);
	assert_true(at_event(status, PTRACE_EVENT_STOP));
	assert_int_equal(WSTOPSIG(status), SIGSTOP);
	inject_getpid(pid);
	assert_int_equal(ptrace(PTRACE_LISTEN, pid, NULL, NULL), 0);
	assert_int_equal(waitpid(pid, &status, __WALL | WNOHANG), 0);
	kill(pid, SIGCONT);
	status = wait_stop(pid);
	assert_true(at_event(status, PTRACE_EVENT_STOP));
	assert_int_equal(WSTOPSIG(status), SIGTRAP);
	assert_int_equal(finish(pid, 0), 0);
}

static void pending_signal_waits(void **state)
{
	pid_t pid = start("spin");
	union sigval v = { .sival_int = 77 };

	(void)state;
	run_to_call(pid, SYS_getppid);
	assert_true(at_syscall(run(pid, PTRACE_SYSCALL, 0)));
	sigqueue(pid, SIGUSR1, v);
	inject_getpid(pid);
	assert_true(at_signal(run(pid, PTRACE_CONT, 0), SIGUSR1));
	assert_int_equal(finish(pid, SIGUSR1), 0);
}

static void pending_signal_waits_at_entry(void **state)
{
	pid_t pid = start("spin");
	union sigval v = { .sival_int = 77 };

	(void)state;
	run_to_call(pid, SYS_getppid);
	sigqueue(pid, SIGUSR1, v);
	inject_getpid(pid);
	assert_true(at_signal(run(pid, PTRACE_CONT, 0), SIGUSR1));
	assert_int_equal(finish(pid, SIGUSR1), 0);
}

static void sigstop_is_sent_again(void **state)
{
	pid_t pid = start("calls");
	int status;

	(void)state;
	run_to_call(pid, SYS_getpid);
	assert_true(at_syscall(run(pid, PTRACE_SYSCALL, 0)));
	kill(pid, SIGSTOP);
	inject_getpid(pid);
	assert_true(at_signal(run(pid, PTRACE_CONT, 0), SIGSTOP));
	status = run(pid, PTRACE_CONT, SIGSTOP);
	assert_true(at_event(status, PTRACE_EVENT_STOP));
	kill(pid, SIGCONT);
	assert_int_equal(finish(pid, 0), 0);
}

static void interrupt_is_asked_for_again(void **state)
{
	pid_t pid = start("calls");

	(void)state;
	run_to_call(pid, SYS_getpid);
	assert_true(at_syscall(run(pid, PTRACE_SYSCALL, 0)));
	ptrace(PTRACE_INTERRUPT, pid, NULL, NULL);
	inject_getpid(pid);
	assert_true(at_event(run(pid, PTRACE_CONT, 0), PTRACE_EVENT_STOP));
	assert_int_equal(finish(pid, 0), 0);
}

static void killed_is_not_swallowed(void **state)
{
	pid_t pid = start("calls");
	int64_t ret;
	int status;

	(void)state;
	run_to_call(pid, SYS_getpid);
	kill(pid, SIGKILL);
	assert_int_equal(tracee__inject(pid, SYS_getpid, none, &ret), -ESRCH);
	do {
		assert_int_equal(waitpid(pid, &status, __WALL), pid);
		ptrace(PTRACE_CONT, pid, NULL, NULL);
	} while (WIFSTOPPED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
}

static void death_by_the_call_is_not_swallowed(void **state)
{
	pid_t pid = start("calls");
	const uint64_t args[6] = { 33 };
	int64_t ret;

	(void)state;
	run_to_call(pid, SYS_getpid);
	assert_int_equal(tracee__inject(pid, SYS_exit_group, args, &ret), -ESRCH);
	assert_true(at_event(wait_stop(pid), PTRACE_EVENT_EXIT));
	assert_int_equal(finish(pid, 0), 33);
}

static void inside_fork(void **state)
{
	pid_t pid = start("fork");
	unsigned long child;
	int64_t ret;
	int status;

	(void)state;
	do {
		status = run(pid, PTRACE_CONT, 0);
	} while (!at_event(status, PTRACE_EVENT_FORK));
	ptrace(PTRACE_GETEVENTMSG, pid, NULL, &child);
	assert_int_equal(tracee__inject(pid, SYS_getpid, none, &ret), 0);
	assert_int_equal(ret, pid);
	assert_true(at_event(wait_stop((pid_t)child), PTRACE_EVENT_STOP));
	inject_getpid((pid_t)child);
	assert_int_equal(finish((pid_t)child, 0), 5);
	assert_int_equal(finish(pid, 0), 0);
}

static void inside_vfork(void **state)
{
	pid_t pid = start("vfork");
	unsigned long child;
	int64_t ret;
	int status;

	(void)state;
	do {
		status = run(pid, PTRACE_CONT, 0);
	} while (!at_event(status, PTRACE_EVENT_VFORK));
	ptrace(PTRACE_GETEVENTMSG, pid, NULL, &child);
	assert_int_equal(tracee__inject(pid, SYS_getpid, none, &ret), -EBUSY);
	wait_stop((pid_t)child);
	inject_getpid((pid_t)child);
	ptrace(PTRACE_CONT, pid, NULL, NULL);
	assert_int_equal(finish((pid_t)child, 0), 6);
	assert_true(at_event(wait_stop(pid), PTRACE_EVENT_VFORK_DONE));
	assert_int_equal(tracee__inject(pid, SYS_getpid, none, &ret), 0);
	assert_int_equal(finish(pid, 0), 0);
}

static void own_filter_refuses(void **state)
{
	pid_t pid = start("filter");
	struct regs64 before, after;
	int64_t ret;
	int status;

	(void)state;
	run_to_call(pid, SYS_getppid);
	assert_int_equal(tracee__inject(pid, SYS_getpid, none, &ret), 0);
	assert_int_equal(ret, -EXDEV);
	assert_int_equal(tracee__inject(pid, SYS_getuid, none, &ret), 0);
	assert_int_equal(ret, getuid());
	assert_true(at_syscall(run(pid, PTRACE_SYSCALL, 0)));
	assert_int_equal(tracee__inject(pid, SYS_getpid, none, &ret), 0);
	assert_int_equal(ret, -EXDEV);
	status = run(pid, PTRACE_SYSCALL, 0);
	assert_true(at_syscall(status)); /* entry of getpid: its seccomp stop is hidden */
	tracee__get_regs(pid, &before);
	assert_int_equal(before.orig_rax, SYS_getpid);
	assert_int_equal(tracee__inject_at_entry(pid, SYS_getuid, none, &ret), 0);
	assert_int_equal(ret, getuid());
	tracee__get_regs(pid, &after);
	assert_same_regs(&before, &after);
	assert_int_equal(finish(pid, 0), 0);
}

static void other_threads_run_on(void **state)
{
	pid_t pid = start("threads"), other = 0;
	int status;

	(void)state;
	do {
		status = run(pid, PTRACE_CONT, 0);
	} while (!at_event(status, PTRACE_EVENT_CLONE));
	unsigned long msg;
	ptrace(PTRACE_GETEVENTMSG, pid, NULL, &msg);
	other = (pid_t)msg;
	wait_stop(other);
	/* The other one spins; its calls at the start are let through by hand. */
	ptrace(PTRACE_CONT, other, NULL, NULL);
	ptrace(PTRACE_CONT, pid, NULL, NULL);
	for (int n = 0; n < 20;) {
		pid_t who = waitpid(-1, &status, __WALL);
		assert_true(who == pid || who == other);
		struct regs64 regs;
		tracee__get_regs(who, &regs);
		if (who == pid && at_event(status, PTRACE_EVENT_SECCOMP) &&
		    regs.orig_rax == SYS_getppid) {
			inject_getpid(pid);
			n++;
		}
		ptrace(PTRACE_CONT, who, NULL, NULL);
	}
	for (;;) {
		pid_t who = waitpid(-1, &status, __WALL);
		if (who == pid && !WIFSTOPPED(status))
			break;
		ptrace(PTRACE_CONT, who, NULL, NULL);
	}
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(before_there_is_a_page),
		cmocka_unit_test(at_seccomp_stop),
		cmocka_unit_test(interrupted_call_is_restarted),
		cmocka_unit_test(interrupted_call_with_handler_and_restart),
		cmocka_unit_test(interrupted_call_gets_eintr),
		cmocka_unit_test(interrupted_sleep_goes_on),
		cmocka_unit_test(temporary_mask_is_left_alone),
		cmocka_unit_test(signal_keeps_its_value),
		cmocka_unit_test(fault_keeps_its_address),
		cmocka_unit_test(group_stop_stays_one),
		cmocka_unit_test(pending_signal_waits),
		cmocka_unit_test(pending_signal_waits_at_entry),
		cmocka_unit_test(sigstop_is_sent_again),
		cmocka_unit_test(interrupt_is_asked_for_again),
		cmocka_unit_test(killed_is_not_swallowed),
		cmocka_unit_test(death_by_the_call_is_not_swallowed),
		cmocka_unit_test(inside_fork),
		cmocka_unit_test(inside_vfork),
		cmocka_unit_test(own_filter_refuses),
		cmocka_unit_test(other_threads_run_on),
	};

	be_tracee(argc, argv, roles);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
