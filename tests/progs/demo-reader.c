/* SPDX-License-Identifier: MIT */
/* demo-reader FILE: maps the file, and for each line of stdin tells what it sees there, without a single read(2) of it. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096

/** The first letters of each page that the file has now. */
static void look(const char *map, int fd)
{
	struct stat st;

	if (fstat(fd, &st)) {
		perror("fstat");
		exit(1);
	}
	printf("I see");
	for (off_t at = 0; at < st.st_size; at += PAGE)
		printf(" %.6s", map + at);
	printf("\n");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	int fd = open(argc > 1 ? argv[1] : "", O_RDONLY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st)) {
		perror("demo-reader");
		return 1;
	}
	const char *map = mmap(NULL, st.st_size, PROT_READ, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	look(map, fd);
	for (char c; read(0, &c, 1) == 1;)
		if (c == '\n')
			look(map, fd);
	return 0;
}
