/* SPDX-License-Identifier: MIT */
/*
 * exec.c: making a new image fit to be recorded.
 *
 * At the exec stop nothing of the program has run. The first call, which maps bprec's page, is made by a syscall instruction
 * in the vDSO (it has some for its fallbacks), so that no byte of the program's own pages is touched: a poke would leave a
 * private copy of a file's page. With vdso=0 on the kernel's command line the bytes at rip are used after all.
 */
#include "tracee/tracee.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "tracee/inject.h"
#include "util/err.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

/* Mappings that give the program the time without a call. vvar_vclock: Linux 6.13. */
#define HIDDEN_MAX 8u
struct hidden {
	uint64_t start[HIDDEN_MAX], end[HIDDEN_MAX];
	uint32_t n;
};

static int note_hidden(void *ctx, const struct tracee_map *m)
{
	struct hidden *h = ctx;

	if (strcmp(m->path, "[vdso]") && strncmp(m->path, "[vvar", 5))
		return 0;
	if (h->n == HIDDEN_MAX)
		return -E2BIG;
	h->start[h->n] = m->start;
	h->end[h->n++] = m->end;
	return 0;
}

/* Address of the first word from addr on that is 0, plus 8. */
static int skip_pointers(pid_t tid, uint64_t *addr)
{
	uint64_t words[512];

	for (;;) {
		ssize_t n = tracee__read(tid, *addr, words, sizeof(words));
		if (n < 0)
			return (int)n;
		for (size_t i = 0; i < (size_t)n / 8; i++) {
			*addr += 8;
			if (!words[i])
				return 0;
		}
		if (n < 8)
			return -EFAULT;
	}
}

int tracee__auxv(pid_t tid, void *buf, size_t *len, uint64_t *addr)
{
	struct regs64 regs;
	int err = tracee__get_regs(tid, &regs);
	Elf64_auxv_t *v = buf;

	if (err)
		return err;
	uint64_t at = regs.rsp + 8; /* argc, argv..., 0, envp..., 0, auxv (x86-64 psABI 3.4.1) */
	err = skip_pointers(tid, &at);
	if (!err)
		err = skip_pointers(tid, &at);
	if (err)
		return err;
	ssize_t n = tracee__read(tid, at, buf, *len);
	if (n < 0)
		return (int)n;
	for (size_t i = 0; i < (size_t)n / sizeof(*v); i++) {
		if (v[i].a_type != AT_NULL)
			continue;
		*len = (i + 1) * sizeof(*v);
		*addr = at;
		return 0;
	}
	return -E2BIG;
}

/* Takes AT_SYSINFO_EHDR out of the auxiliary vector. */
static int hide_vdso(pid_t tid)
{
	Elf64_auxv_t v[64];
	size_t len = sizeof(v);
	uint64_t addr, type = AT_IGNORE;
	int err = tracee__auxv(tid, v, &len, &addr);

	if (err)
		return err;
	for (size_t i = 0; i < len / sizeof(*v); i++) {
		if (v[i].a_type == AT_SYSINFO_EHDR)
			return tracee__write(tid, addr + i * sizeof(*v), &type, sizeof(type));
	}
	return 0;
}

/* A syscall instruction in the hidden mappings; 0 if there is none. */
static uint64_t find_syscall(pid_t tid, const struct hidden *h)
{
	static const unsigned char insn[2] = { 0x0f, 0x05 };
	unsigned char page[BPREC_PAGE_SIZE];

	for (uint32_t i = 0; i < h->n; i++) {
		for (uint64_t at = h->start[i]; at < h->end[i]; at += sizeof(page)) {
			ssize_t n = tracee__read(tid, at, page, sizeof(page));
			if (n != sizeof(page))
				break;
			const unsigned char *p = memmem(page, sizeof(page), insn, sizeof(insn));
			if (p)
				return at + (uint64_t)(p - page);
		}
	}
	return 0;
}

/* Maps bprec's page and fills it. */
static int map_page(pid_t tid, uint64_t insn)
{
	const uint64_t args[6] = { TRACEE_PAGE_ADDR,
				   BPREC_PAGE_SIZE,
				   PROT_READ | PROT_EXEC,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
				   ~0ull,
				   0 };
	const unsigned char code[8] = { 0x0f, 0x05, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc };
	int64_t ret;
	long word;
	int err = inject__with(tid, insn, SYS_mmap, args, &ret);

	if (err)
		return err;
	if (ret < 0)
		return (int)ret;
	if ((uint64_t)ret != TRACEE_PAGE_ADDR)
		return -EEXIST;
	memcpy(&word, code, sizeof(word));
	if (ptrace(PTRACE_POKETEXT, tid, (void *)TRACEE_PAGE_ADDR, (void *)word) < 0)
		return -errno;
	return 0;
}

static int unmap_hidden(pid_t tid, const struct hidden *h)
{
	for (uint32_t i = 0; i < h->n; i++) {
		const uint64_t args[6] = { h->start[i], h->end[i] - h->start[i] };
		int64_t ret;
		int err = tracee__inject(tid, SYS_munmap, args, &ret);
		if (err || ret < 0)
			return err ? err : (int)ret;
	}
	return 0;
}

int tracee__prepare_exec(pid_t tid)
{
	struct hidden h = { .n = 0 };
	struct regs64 regs;
	int err = tracee__get_regs(tid, &regs);

	if (err)
		return err;
	if (tracee__is_32bit(&regs))
		return err__set(-ENOEXEC, "a 32-bit program");
	err = tracee__maps(tid, note_hidden, &h);
	if (!err)
		err = map_page(tid, find_syscall(tid, &h));
	if (!err)
		err = hide_vdso(tid);
	return err ? err : unmap_hidden(tid, &h);
}
