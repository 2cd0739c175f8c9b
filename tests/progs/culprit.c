/* SPDX-License-Identifier: MIT */
/*
 * culprit.c: an outsider that changes a file once, from functions with known names, and is gone at once.
 *   culprit write|mmap|truncate|vm FILE [N]   vm: FILE is ADDRESS of the process N
 * main calls culprit_plan, which calls culprit_strike, which calls one of culprit_write, culprit_store, culprit_cut, culprit_poke.
 * It writes the byte N (default 0x5a) to offset 4096, or makes the file N bytes long. With PAUSE in the environment it waits for
 * a byte on stdin when it is done.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#define NAMED __attribute__((noipa)) static

static volatile int done; /* keeps calls from being the last thing in a function */

NAMED void culprit_write(int fd, char byte)
{
	if (pwrite(fd, &byte, 1, 4096) != 1)
		_exit(3);
	done++;
}

NAMED void culprit_store(int fd, char byte)
{
	volatile char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		_exit(4);
	p[4096] = byte;
	done++;
}

NAMED void culprit_cut(int fd, long size)
{
	if (ftruncate(fd, size))
		_exit(5);
	done++;
}

NAMED void culprit_poke(unsigned long addr, long pid)
{
	char byte = 0x5a;
	struct iovec from = { &byte, 1 }, to = { (void *)addr, 1 };

	if (process_vm_writev((pid_t)pid, &from, 1, &to, 1, 0) != 1)
		_exit(6);
	done++;
}

NAMED void culprit_strike(const char *how, const char *path, long n)
{
	char frame[300]; /* a stack that is more than a few words deep */
	int fd;

	memset(frame, (int)n, sizeof(frame));
	__asm__ volatile("" ::"r"(frame) : "memory");
	if (!strcmp(how, "vm")) {
		culprit_poke(strtoul(path, NULL, 0), n);
		done++;
		return;
	}
	fd = open(path, O_RDWR);
	if (fd < 0)
		_exit(2);
	if (!strcmp(how, "mmap"))
		culprit_store(fd, (char)n);
	else if (!strcmp(how, "truncate"))
		culprit_cut(fd, n);
	else
		culprit_write(fd, (char)n);
	done++;
}

NAMED void culprit_plan(const char *how, const char *path, long n)
{
	culprit_strike(how, path, n);
	done++;
}

int main(int argc, char **argv)
{
	char c;

	if (argc < 3)
		return 1;
	culprit_plan(argv[1], argv[2], argc > 3 ? strtol(argv[3], NULL, 0) : 0x5a);
	if (getenv("PAUSE") && read(0, &c, 1) < 0)
		return 7;
	_exit(0);
}
