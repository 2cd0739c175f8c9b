/* SPDX-License-Identifier: MIT */
/*
 * ops32.c: a 32-bit program without any library, made with gcc -m32 -nostdlib -static: waits for a byte on its
 * standard input, then opens argv[1] for writing, writes 4 bytes at 5000 by pwrite64 and 4 more at 6000 by lseek and write,
 * truncates by path to 60000 bytes and opens with O_TRUNC.
 */
static int call(int nr, int a, int b, int c, int d, int e)
{
	int ret;

	__asm__ volatile("int $0x80"
			 : "=a"(ret)
			 : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
			 : "memory");
	return ret;
}

__attribute__((used)) void start(int *stack)
{
	int path = stack[2], fd;
	char byte;

	call(3, 0, (int)&byte, 1, 0, 0);	/* read */
	fd = call(5, path, 2, 0, 0, 0);		/* open O_RDWR */
	call(181, fd, (int)"seen", 4, 5000, 0); /* pwrite64 */
	call(19, fd, 6000, 0, 0, 0);		/* lseek */
	call(4, fd, (int)"seen", 4, 0, 0);	/* write */
	call(193, path, 60000, 0, 0, 0);	/* truncate64 */
	call(5, path, 01002, 0, 0, 0);		/* open O_RDWR|O_TRUNC */
	call(1, fd < 0, 0, 0, 0, 0);		/* exit */
}

__asm__(".globl _start\n_start: pushl %esp\n call start\n");
