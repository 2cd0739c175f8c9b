/* SPDX-License-Identifier: MIT */
/* ids.c: prints who it runs as; installed setuid by the test. */
#include <stdio.h>
#include <unistd.h>

int main(void)
{
	printf("uid %d euid %d gid %d egid %d\n", getuid(), geteuid(), getgid(), getegid());
	return 0;
}
