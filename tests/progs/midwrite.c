// SPDX-License-Identifier: MIT
/* midwrite FILE [known]: a child writes 64 MiB by one call; its parent maps the file as soon as it has begun to grow. known: the
 * parent has mapped it before, too. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE (64 << 20)

static int map(int fd)
{
	volatile char *m = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);

	if (m == MAP_FAILED)
		return 1;
	(void)m[0];
	return 0;
}

int main(int argc, char **argv)
{
	int fd = argc > 1 ? open(argv[1], O_RDWR | O_CREAT | O_TRUNC, 0600) : -1, status = 1;
	char *data = malloc(SIZE);
	struct stat st = { .st_size = 1 };

	if (fd < 0 || !data)
		return 1;
	memset(data, 'x', SIZE);
	if (write(fd, data, 1) != 1 || (argc > 2 && map(fd)))
		return 1;
	pid_t child = fork();
	if (!child)
		_exit(pwrite(fd, data, SIZE, 0) != SIZE);
	while (st.st_size == 1 && !fstat(fd, &st))
		;
	if (map(fd))
		return 1;
	waitpid(child, &status, 0);
	return status != 0;
}
