// SPDX-License-Identifier: MIT
/*
 * sum.c: changes that the kernel side has summed up, taken out of shared memory. bpf/sum.bpf.c says why nothing gets lost.
 *
 * The atomic operations here are on the same words as those of the programs. There is no system call: one that works on BPF
 * maps keeps other programs from running on its processor meanwhile, also when it is preempted (bpf_disable_instrumentation),
 * and until 6.7 nobody counted those that were skipped.
 */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kern/state.h"

static size_t sums_bytes(void)
{
	const size_t page = sysconf(_SC_PAGESIZE);

	return (KSUM_SLOTS * sizeof(struct ksum) + page - 1) / page * page;
}

int sums_open(struct kern *k)
{
	void *p = mmap(NULL, sums_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, kern_map_sums(k), 0);

	if (p == MAP_FAILED)
		return -errno;
	k->sums = p;
	return 0;
}

void sums_close(struct kern *k)
{
	if (k->sums)
		munmap(k->sums, sums_bytes());
	k->sums = NULL;
}

static void copy(struct ksum *ret, const struct ksum *s)
{
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	*ret = *(const volatile struct ksum *)s;
}

bool kern__sum_look(const struct kern *k, uint64_t slot, struct ksum *ret)
{
	if (slot >= KSUM_SLOTS)
		return false;
	copy(ret, &k->sums[slot]);
	return true;
}

int kern__sum_take(struct kern *k, uint64_t slot, struct ksum *ret)
{
	struct ksum *s;
	uint64_t before;

	if (slot >= KSUM_SLOTS)
		return -EINVAL;
	s = &k->sums[slot];
	before = __atomic_fetch_or(&s->state, KSUM_CLOSED, __ATOMIC_SEQ_CST);
	copy(ret, s);
	if (before & ~KSUM_CLOSED)
		return 0;
	/* in this order: who finds it open again must find that it isn't theirs any more */
	__atomic_store_n(&s->owner, 0, __ATOMIC_SEQ_CST);
	__atomic_fetch_and(&s->state, ~KSUM_CLOSED, __ATOMIC_SEQ_CST);
	return 1;
}
