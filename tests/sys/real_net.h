/* SPDX-License-Identifier: MIT */
/* real_net.h: cases that are carried out: sockets. */
#ifndef BPREC_TESTS_SYS_REAL_NET_H
#define BPREC_TESTS_SYS_REAL_NET_H

#include "harness.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>

/* Two datagram sockets on the loopback; the second has sent texts to the first. */
static int udp_of(struct t *t, int n)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int to = fd_of(t, socket(AF_INET, SOCK_DGRAM, 0));
	int from = fd_of(t, socket(AF_INET, SOCK_DGRAM, 0)), on = 1;

	t->varies = true; /* port numbers */
	assert_int_equal(bind(to, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(to, (struct sockaddr *)&a, &len), 0);
	assert_int_equal(setsockopt(to, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)), 0);
	while (n--)
		assert_int_equal(sendto(from, "ten bytes.", 10, 0, (struct sockaddr *)&a, len), 10);
	return to;
}

/* A listening socket with one connection waiting. */
static int listener_of(struct t *t)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int l = fd_of(t, socket(AF_INET, SOCK_STREAM, 0));
	int c = fd_of(t, socket(AF_INET, SOCK_STREAM, 0));

	t->varies = true;
	assert_int_equal(bind(l, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(l, 4), 0);
	assert_int_equal(getsockname(l, (struct sockaddr *)&a, &len), 0);
	assert_int_equal(connect(c, (struct sockaddr *)&a, len), 0);
	return l;
}

static uint64_t int_of(struct t *t, uint32_t v)
{
	return in(t, &v, sizeof(v));
}

static void real_accept(struct t *t)
{
	int l = listener_of(t);

	DO(SYS_accept, l, out(t, 16), int_of(t, 16));
	if (went_well(t))
		fd_of(t, (int)t->ret);
}

/* A buffer that is too short for the address: the length comes back greater. */
static void real_accept4(struct t *t)
{
	int l = listener_of(t);

	DO(SYS_accept4, l, out(t, 5), int_of(t, 5), SOCK_CLOEXEC);
	if (went_well(t))
		fd_of(t, (int)t->ret);
}

/* Nobody asks for the address. */
static void real_accept_null(struct t *t)
{
	int l = listener_of(t);

	t->no_plan = true;
	DO(SYS_accept, l, 0, 0);
	if (went_well(t))
		fd_of(t, (int)t->ret);
}

static void real_getsockname(struct t *t)
{
	int s = udp_of(t, 0);

	DO(SYS_getsockname, s, out(t, 100), int_of(t, 100));
	if (went_well(t))
		expect(t, U(t->buf[0].p), sizeof(struct sockaddr_in));
}

static void real_getpeername(struct t *t)
{
	int p[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
	fd_of(t, p[0]);
	fd_of(t, p[1]);
	DO(SYS_getpeername, p[0], out(t, 100), int_of(t, 100));
	went_well(t);
}

static void real_socketpair(struct t *t)
{
	int p[2];

	t->varies = true;
	DO(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, out(t, 8));
	assert_true(went_well(t));
	memcpy(p, t->buf[0].p, sizeof(p));
	fd_of(t, p[0]);
	fd_of(t, p[1]);
}

static void real_recvfrom(struct t *t)
{
	int s = udp_of(t, 1);

	DO(SYS_recvfrom, s, out(t, 64), 64, 0, out(t, 16), int_of(t, 16));
	assert_int_equal(t->ret, 10);
	expect(t, U(t->buf[0].p), 10);
	expect(t, U(t->buf[1].p), 16);
}

/* The result is longer than the buffer. */
static void real_recvfrom_trunc(struct t *t)
{
	int s = udp_of(t, 1);

	DO(SYS_recvfrom, s, out(t, 4), 4, MSG_TRUNC, 0, 0);
	assert_int_equal(t->ret, 10);
	expect(t, U(t->buf[0].p), 4);
}

/* TCP throws the data away with MSG_TRUNC: nothing is written though the result says so (tcp(7)). */
static void real_recv_discard(struct t *t)
{
	int l = listener_of(t), c = t->fd[1], s = fd_of(t, accept(l, NULL, NULL));

	t->varies = false;
	assert_int_equal(write(c, "ten bytes.", 10), 10);
	DO(SYS_recvfrom, s, out(t, 64), 64, MSG_TRUNC, 0, 0);
	assert_int_equal(t->ret, 10);
	for (int i = 0; i < 64; i++)
		assert_int_equal(t->buf[0].p[i], t->pattern);
}

/* A header with everything: name, two buffers, control data. */
static struct msghdr msg_of(struct t *t)
{
	struct iovec v[2] = { { (void *)(uintptr_t)out(t, 4), 4 },
			      { (void *)(uintptr_t)out(t, 40), 40 } };
	struct msghdr h = { .msg_name = (void *)(uintptr_t)out(t, 28), .msg_namelen = 28 };

	h.msg_iov = (void *)(uintptr_t)in(t, v, sizeof(v));
	h.msg_iovlen = 2;
	h.msg_control = (void *)(uintptr_t)out(t, 96);
	h.msg_controllen = 96;
	return h;
}

static void real_recvmsg(struct t *t)
{
	int s = udp_of(t, 1);
	struct msghdr h = msg_of(t);

	DO(SYS_recvmsg, s, in(t, &h, sizeof(h)), 0);
	assert_int_equal(t->ret, 10);
	expect(t, U(t->buf[2].p), 16);
	expect(t, U(t->buf[0].p), 4);
	expect(t, U(t->buf[1].p), 6);
}

/* A descriptor comes along. */
static void real_recvmsg_rights(struct t *t)
{
	struct msghdr h = msg_of(t), m = { 0 };
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec v = { "ten bytes.", 10 };
	struct cmsghdr *c = (struct cmsghdr *)control;
	int p[2], fd;

	t->varies = true;
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, p), 0);
	fd_of(t, p[0]);
	fd_of(t, p[1]);
	m.msg_iov = &v;
	m.msg_iovlen = 1;
	m.msg_control = control;
	m.msg_controllen = sizeof(control);
	c->cmsg_len = CMSG_LEN(sizeof(int));
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	memcpy(CMSG_DATA(c), &p[1], sizeof(int));
	assert_int_equal(sendmsg(p[1], &m, 0), 10);
	DO(SYS_recvmsg, p[0], in(t, &h, sizeof(h)), 0);
	assert_int_equal(t->ret, 10);
	memcpy(&fd, t->buf[4].p + CMSG_LEN(0), sizeof(fd));
	fd_of(t, fd);
}

static void real_recvmmsg(struct t *t)
{
	struct timespec ts = { 1, 500 };
	struct mmsghdr h[2] = { 0 };
	int s = udp_of(t, 2);

	h[0].msg_hdr = msg_of(t);
	h[1].msg_hdr = msg_of(t);
	DO(SYS_recvmmsg, s, in(t, h, sizeof(h)), 2, 0, in(t, &ts, sizeof(ts)));
	assert_int_equal(t->ret, 2);
}

static void real_sendmmsg(struct t *t)
{
	struct iovec v = { (void *)(uintptr_t)in(t, "ten bytes.", 10), 10 };
	struct mmsghdr h[2] = { 0 };
	int p[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, p), 0);
	fd_of(t, p[0]);
	fd_of(t, p[1]);
	h[0].msg_hdr.msg_iov = (void *)(uintptr_t)in(t, &v, sizeof(v));
	h[0].msg_hdr.msg_iovlen = 1;
	h[1] = h[0];
	DO(SYS_sendmmsg, p[0], in(t, h, sizeof(h)), 2, 0);
	assert_int_equal(t->ret, 2);
}

static void real_getsockopt(struct t *t)
{
	int s = udp_of(t, 0);

	DO(SYS_getsockopt, s, SOL_SOCKET, SO_RCVBUF, out(t, 16), int_of(t, 16));
	if (went_well(t))
		expect(t, U(t->buf[0].p), 4);
}

static void real_getsockopt_short(struct t *t)
{
	int s = udp_of(t, 0);

	DO(SYS_getsockopt, s, SOL_SOCKET, SO_RCVTIMEO, out(t, 3), int_of(t, 3));
	went_well(t);
}

static void real_getsockopt_tcp(struct t *t)
{
	int l = listener_of(t);

	DO(SYS_getsockopt, l, IPPROTO_TCP, TCP_INFO, out(t, 300), int_of(t, 300));
	went_well(t);
}

static const struct sys_test real_net[] = {
	{ "accept", real_accept, NULL },
	{ "accept", real_accept_null, NULL },
	{ "accept4", real_accept4, NULL },
	{ "getsockname", real_getsockname, NULL },
	{ "getpeername", real_getpeername, NULL },
	{ "socketpair", real_socketpair, NULL },
	{ "recvfrom", real_recvfrom, NULL },
	{ "recvfrom", real_recvfrom_trunc, NULL },
	{ "recvfrom", real_recv_discard, NULL },
	{ "recvmsg", real_recvmsg, NULL },
	{ "recvmsg", real_recvmsg_rights, NULL },
	{ "recvmmsg", real_recvmmsg, NULL },
	{ "sendmmsg", real_sendmmsg, NULL },
	{ "getsockopt", real_getsockopt, NULL },
	{ "getsockopt", real_getsockopt_short, NULL },
	{ "getsockopt", real_getsockopt_tcp, NULL },
	{ NULL, NULL, NULL },
};

#endif
