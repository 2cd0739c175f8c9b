/* SPDX-License-Identifier: MIT */
/*
 * outsider.c: changes files on command. Prints "ready PID", then answers each line of stdin with one line:
 *   open PATH | close PATH | map PATH | mapread PATH | unmap PATH     keep it open or mapped (mapread: pages touched)
 *   peek PATH OFFSET            reads a byte through the kept mapping
 *   stride PATH OFFSET STEP BYTE  stores a byte at OFFSET, OFFSET + STEP, ... through the kept mapping
 *   drop PATH                   drops its page tables' entries for the kept mapping (MADV_DONTNEED)
 *   OP PATH OFFSET LENGTH BYTE  one operation of ops.c
 * Answers: "done PID", or "error TEXT".
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ops.h"

static int stride(struct target *t, size_t off, size_t step, int byte)
{
	for (; t->map && step && off < t->len; off += step)
		*(volatile char *)(t->map + off) = (char)byte;
	return t->map && step ? 0 : -EINVAL;
}

static int keep(const char *word, struct target *t, off_t off, size_t len, int byte)
{
	if (!strcmp(word, "open"))
		return target__open(t);
	if (!strcmp(word, "map"))
		return target__map(t, 0);
	if (!strcmp(word, "mapread"))
		return target__map(t, 1);
	if (!strcmp(word, "close"))
		return target__close(t), 0;
	if (!strcmp(word, "unmap"))
		return target__unmap(t), 0;
	if (!strcmp(word, "peek"))
		return (void)*(volatile char *)(t->map + off), 0;
	if (!strcmp(word, "stride"))
		return stride(t, (size_t)off, len, byte);
	if (!strcmp(word, "drop"))
		return madvise(t->map, t->len, MADV_DONTNEED) ? -errno : 0;
	return -ENOSYS;
}

int main(void)
{
	char line[1024], word[32], path[512];

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("ready %d\n", getpid());
	while (fgets(line, sizeof(line), stdin)) {
		long off = 0, len = 0;
		int byte = 0;
		pid_t pid = 0;

		if (sscanf(line, "%31s %511s %ld %ld %d", word, path, &off, &len, &byte) < 2) {
			printf("error usage: %s", line);
			continue;
		}
		struct target *t = target__get(path);
		int err = t ? keep(word, t, off, (size_t)len, byte) : -ENOMEM;
		if (err == -ENOSYS)
			err = op_run(word, t, off, (size_t)len, byte, &pid);
		if (err)
			printf("error %s: %s\n", word, strerror(-err));
		else
			printf("done %d\n", pid);
	}
	return 0;
}
