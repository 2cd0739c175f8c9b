/* SPDX-License-Identifier: MIT */
/* facts_iter.c: the BPF iterators, each read to its end and found to list what the trial made. */
#include "probe/facts.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "probe/bpf.h"

/* Reads an iterator to its end. Number of 8-byte records, or -errno. */
static long read_records(int iter)
{
	char buf[4096];
	long bytes = 0;

	for (;;) {
		const ssize_t n = read(iter, buf, sizeof(buf));

		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return bytes / (long)sizeof(uint64_t);
		bytes += n;
	}
}

/* Runs iterator `prog`, which writes a record for each thing of this process that is `wanted`. */
static void try_iter(struct trial *t, const char *prog, uint64_t wanted, const char *thing)
{
	struct bpf_trial b;

	if (!bpf_trial__start(&b, t, prog))
		return;
	b.skel->bss->wanted = wanted;
	const int iter = bpf_iter_create(bpf_link__fd(b.link));

	if (iter < 0)
		return trial__no(t, "attached, bpf_iter_create: %s", trial__errno(-iter));
	const long n = read_records(iter);

	if (n < 0)
		trial__no(t, "attached, read: %s", trial__errno((int)-n));
	else if (n == 0)
		trial__no(t, "read to its end, but %s was not listed", thing);
	else
		trial__yes(t, "read to its end, and %s was listed", thing);
}

void fact__iter_task(struct trial *t, void *arg)
{
	(void)arg;
	try_iter(t, "try_iter_task", 0, "the probe's process");
}

void fact__iter_task_vma(struct trial *t, void *arg)
{
	void *map = trial__shared(4096);

	(void)arg;
	if (!map)
		return trial__unknown(t, "no memory for a mapping");
	try_iter(t, "try_iter_task_vma", (uintptr_t)map, "a mapping made for it");
}

void fact__iter_task_file(struct trial *t, void *arg)
{
	const int fd = memfd_create("bprec-probe", MFD_CLOEXEC);

	(void)arg;
	if (fd < 0)
		return trial__unknown(t, "memfd_create: %s", trial__errno(errno));
	try_iter(t, "try_iter_task_file", (uint64_t)fd, "a descriptor made for it");
}
