/* SPDX-License-Identifier: MIT */
/* demo-writer FILE pwrite|store PAGE TEXT, or demo-writer FILE truncate PAGES: changes a file in one of three ways. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096

static int store(int fd, off_t at, const char *text)
{
	char *map = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, at);

	if (map == MAP_FAILED)
		return -1;
	memcpy(map, text, strlen(text));
	return munmap(map, PAGE);
}

static int change(int fd, const char *how, off_t at, const char *text)
{
	if (!strcmp(how, "pwrite"))
		return pwrite(fd, text, strlen(text), at) < 0 ? -1 : 0;
	if (!strcmp(how, "store"))
		return store(fd, at, text);
	if (!strcmp(how, "truncate"))
		return ftruncate(fd, at);
	errno = EINVAL;
	return -1;
}

int main(int argc, char **argv)
{
	if (argc < 4) {
		fprintf(stderr, "demo-writer FILE pwrite|store|truncate PAGE [TEXT]\n");
		return 2;
	}
	int fd = open(argv[1], O_RDWR);

	if (fd < 0 || change(fd, argv[2], atoi(argv[3]) * PAGE, argc > 4 ? argv[4] : "")) {
		perror("demo-writer");
		return 1;
	}
	return 0;
}
