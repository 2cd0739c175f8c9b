/* SPDX-License-Identifier: MIT */
/* many-buffers.c: readv and recvmmsg with 1,024 buffers, the kernel's limit; prints sums of what came. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define N 1024

static char to[N * 8], from[N * 4];

static unsigned sum(void)
{
	unsigned s = 0;

	for (size_t i = 0; i < sizeof(to); i++)
		s = s * 31 + (unsigned char)to[i];
	memset(to, 0, sizeof(to));
	return s;
}

int main(void)
{
	static struct iovec iov[N];
	static struct mmsghdr msgs[N];
	int p[2], s[2], sent = 0;

	for (size_t i = 0; i < sizeof(from); i++)
		from[i] = (char)(i * 7);
	for (int i = 0; i < N; i++) {
		iov[i] = (struct iovec){ to + i * 8, 4 };
		msgs[i].msg_hdr.msg_iov = &iov[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
	}
	if (pipe(p) || socketpair(AF_UNIX, SOCK_STREAM, 0, s))
		return 1;
	if (write(p[1], from, sizeof(from)) != sizeof(from))
		return 1;
	printf("readv %zd", readv(p[0], iov, N));
	printf(" sum %u\n", sum());
	while (sent < 400 && send(s[0], from + sent, 4, MSG_DONTWAIT) == 4)
		sent++;
	printf("recvmmsg %d", recvmmsg(s[1], msgs, sent, MSG_DONTWAIT, NULL) == sent);
	printf(" sum %u length %u\n", sum(), msgs[sent - 1].msg_len);
	return 0;
}
