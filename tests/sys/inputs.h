/* SPDX-License-Identifier: MIT */
/* inputs.h: calls that only read memory, carried out: sys__touched must cover every buffer they get, sys__outputs must be
 * silent. */
#ifndef BPREC_TESTS_SYS_INPUTS_H
#define BPREC_TESTS_SYS_INPUTS_H

#include "harness.h"
#include "real_net.h"

#include <linux/filter.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/sem.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>

/* A call that reads what it gets; any result will do. */
#define INPUT_CASE(call, ...)                 \
	static void inp_##call(struct t *t)   \
	{                                     \
		t->no_plan = true;            \
		DO(__NR_##call, __VA_ARGS__); \
		assert_int_equal(t->ngot, 0); \
	}

INPUT_CASE(write, (uint64_t)file_of(t, ""), S("ten bytes."), 11)
INPUT_CASE(pwrite64, (uint64_t)file_of(t, ""), S("ten bytes."), 11, 3)
INPUT_CASE(open, S("/dev/null"), O_PATH)
INPUT_CASE(openat, (uint64_t)AT_FDCWD, S("/nowhere"), O_RDONLY)
INPUT_CASE(openat2, (uint64_t)AT_FDCWD, S("/nowhere"), in(t, (uint64_t[3]){ 0 }, 24), 24)
INPUT_CASE(truncate, S("/nowhere"), 0)
INPUT_CASE(access, S("/nowhere"), 0)
INPUT_CASE(rename, S("/nowhere/a"), S("/nowhere/b"))
INPUT_CASE(renameat2, (uint64_t)AT_FDCWD, S("/nowhere/a"), (uint64_t)AT_FDCWD, S("/nowhere/b"), 0)
INPUT_CASE(symlinkat, S("a"), (uint64_t)AT_FDCWD, S("/nowhere/b"))
INPUT_CASE(unlinkat, (uint64_t)AT_FDCWD, S("/nowhere/a"), 0)
INPUT_CASE(utimensat, (uint64_t)AT_FDCWD, S("/nowhere"), in(t, (uint64_t[4]){ 0 }, 32), 0)
INPUT_CASE(setxattr, S("/nowhere"), S("user.x"), S("value"), 6, 0)
INPUT_CASE(memfd_create, S("name"), MFD_CLOEXEC)
INPUT_CASE(epoll_ctl, (uint64_t)fd_of(t, epoll_create1(0)), EPOLL_CTL_ADD, 0,
	   in(t, (uint8_t[12]){ 0 }, 12))
INPUT_CASE(bind, 9999, in(t, (uint8_t[16]){ 0 }, 16), 16)
INPUT_CASE(sendto, 9999, S("ten bytes."), 11, 0, in(t, (uint8_t[16]){ 0 }, 16), 16)
INPUT_CASE(setsockopt, 9999, SOL_SOCKET, SO_REUSEADDR, int_of(t, 1), 4)
INPUT_CASE(semtimedop, 9999, in(t, (struct sembuf[2]){ 0 }, 12), 2, in(t, (uint64_t[2]){ 0 }, 16))
INPUT_CASE(msgsnd, 9999, in(t, (uint64_t[2]){ 1, 2 }, 16), 8, 0)
INPUT_CASE(mq_timedsend, 9999, S("text"), 5, 0, in(t, (uint64_t[2]){ 0 }, 16))
INPUT_CASE(futex, int_of(t, 1), FUTEX_WAIT, 2, in(t, (uint64_t[2]){ 0 }, 16))
INPUT_CASE(rt_sigqueueinfo, 0, 0, in(t, (uint8_t[128]){ 0 }, 128))
INPUT_CASE(clock_settime, 9999, in(t, (uint64_t[2]){ 0 }, 16))
INPUT_CASE(prctl, 15 /* PR_SET_NAME */, S("test_sys"))
INPUT_CASE(inotify_add_watch, 9999, S("/nowhere"), 0)

static void inp_connect(struct t *t)
{
	t->no_plan = true;
	DO(SYS_connect, 9999, out(t, 110), 110);
	assert_int_equal(t->nmay, 1);
}

static void inp_writev(struct t *t)
{
	struct iovec v[2];

	t->no_plan = true;
	v[0] = (struct iovec){ (void *)(uintptr_t)S("ten bytes."), 11 };
	v[1] = (struct iovec){ (void *)(uintptr_t)S("more"), 5 };
	DO(SYS_writev, (uint64_t)file_of(t, ""), in(t, v, sizeof(v)), 2);
	assert_int_equal(t->ret, 16);
	assert_int_equal(t->ngot, 0);
}

static void inp_sendmsg(struct t *t)
{
	struct iovec v = { (void *)(uintptr_t)S("ten bytes."), 11 };
	struct msghdr h = { .msg_iovlen = 1, .msg_namelen = 16, .msg_controllen = 24 };

	t->no_plan = true;
	h.msg_iov = (void *)(uintptr_t)in(t, &v, sizeof(v));
	h.msg_name = (void *)(uintptr_t)out(t, 16);
	h.msg_control = (void *)(uintptr_t)out(t, 24);
	DO(SYS_sendmsg, 9999, in(t, &h, sizeof(h)), 0);
	assert_int_equal(t->ngot, 0);
}

/* Only told, never carried out: it would end the test. */
static void inp_execve(struct t *t)
{
	uint64_t argv[3], envp[2];

	argv[0] = S("a");
	argv[1] = S("bc");
	argv[2] = 0;
	envp[0] = S("A=b");
	envp[1] = 0;
	DO_FAKE(-ENOENT, SYS_execve, S("/nowhere"), in(t, argv, sizeof(argv)),
		in(t, envp, sizeof(envp)));
}

static void inp_waitv(struct t *t)
{
	uint64_t w[2][3];

	for (int i = 0; i < 2; i++) {
		w[i][0] = 0;
		w[i][1] = out(t, 8);
		w[i][2] = 2;
	}
	DO_FAKE(-EAGAIN, SYS_futex_waitv, in(t, w, sizeof(w)), 2, 0, in(t, w, 16), 1);
}

static void inp_seccomp(struct t *t)
{
	struct sock_fprog p = { .len = 3 };

	p.filter = (void *)(uintptr_t)out(t, 24);
	DO_FAKE(0, SYS_seccomp, 1, 0, in(t, &p, sizeof(p)));
}

static void inp_filter(struct t *t)
{
	struct sock_fprog p = { .len = 3 };

	p.filter = (void *)(uintptr_t)out(t, 24);
	DO_FAKE(0, SYS_setsockopt, 9999, SOL_SOCKET, SO_ATTACH_FILTER, in(t, &p, sizeof(p)),
		sizeof(p));
}

static void inp_pselect_mask(struct t *t)
{
	uint64_t mask = 0, v[2] = { in(t, &mask, 8), 8 };

	DO_FAKE(0, SYS_pselect6, 0, 0, 0, 0, 0, in(t, v, sizeof(v)));
}

#define INPUT(call)                     \
	{                               \
#call, inp_##call, NULL \
	}
static const struct sys_test inputs[] = {
	INPUT(write),
	INPUT(pwrite64),
	INPUT(writev),
	INPUT(open),
	INPUT(openat),
	INPUT(openat2),
	INPUT(truncate),
	INPUT(access),
	INPUT(rename),
	INPUT(renameat2),
	INPUT(symlinkat),
	INPUT(unlinkat),
	INPUT(utimensat),
	INPUT(setxattr),
	INPUT(memfd_create),
	INPUT(epoll_ctl),
	INPUT(bind),
	INPUT(sendto),
	INPUT(sendmsg),
	INPUT(setsockopt),
	INPUT(semtimedop),
	INPUT(msgsnd),
	INPUT(mq_timedsend),
	INPUT(futex),
	INPUT(rt_sigqueueinfo),
	INPUT(clock_settime),
	INPUT(prctl),
	INPUT(inotify_add_watch),
	INPUT(connect),
	{ NULL, NULL, NULL },
};

static const struct sys_test told_inputs[] = {
	{ "execve", inp_execve, "would end the test" },
	{ "futex_waitv", inp_waitv, "came with 5.16" },
	{ "seccomp", inp_seccomp, "can't be undone" },
	{ "setsockopt", inp_filter, "only the description is of interest" },
	{ "pselect6", inp_pselect_mask, "only the description is of interest" },
	{ NULL, NULL, NULL },
};

#endif
