// SPDX-License-Identifier: MIT
/*
 * copied.c: a process of which only the top of a stack and the files that it runs were kept.
 *
 * Of each file one mapping is known, that of its code. Where its other segments lie follows from the program headers. What
 * can be written while the program runs is not taken from the file.
 */
#include "sym/copied.h"

#include <errno.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sym/image.h"

#define PAGE 4096ull

/* A mapping, and the file behind it. */
struct part {
	struct sym_map map;
	int fd; /* -1: its contents aren't known */
};

struct sym_copy {
	const struct sym_copied *kept;
	struct sym_source source;
	struct part *part; /* by rising address, none overlaps another */
	size_t n, room;
};

static bool add(struct sym_copy *c, const struct sym_map *map, int fd)
{
	size_t at = c->n;

	if (map->end <= map->addr)
		return true;
	while (at && c->part[at - 1].map.addr > map->addr)
		at--;
	if ((at && c->part[at - 1].map.end > map->addr) ||
	    (at < c->n && map->end > c->part[at].map.addr))
		return true; /* something is there already */
	if (c->n == c->room) {
		size_t room = c->room ? 2 * c->room : 64;
		struct part *more = reallocarray(c->part, room, sizeof(*more));
		if (!more)
			return false;
		c->part = more;
		c->room = room;
	}
	memmove(&c->part[at + 1], &c->part[at], (c->n - at) * sizeof(*c->part));
	c->part[at] = (struct part){ *map, fd };
	c->n++;
	return true;
}

/* Address of the file's address 0, from the segment that the mapping is of. */
static bool find_bias(Elf *elf, const struct sym_code *code, uint64_t *ret)
{
	size_t n;
	GElf_Phdr p;

	if (elf_getphdrnum(elf, &n) || n > IMAGE_PHDRS)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!gelf_getphdr(elf, (int)i, &p) || p.p_type != PT_LOAD || !(p.p_flags & PF_X))
			continue;
		const uint64_t from = p.p_offset & -PAGE;
		if (code->offset >= from && code->offset - from < p.p_filesz + PAGE) {
			*ret = code->start - (code->offset - from) - (p.p_vaddr & -PAGE);
			return true;
		}
	}
	return false;
}

/* Adds the segments of a file; false: no memory. */
static bool add_segments(struct sym_copy *c, Elf *elf, const struct sym_code *code, uint64_t bias)
{
	size_t n;
	GElf_Phdr p;

	if (elf_getphdrnum(elf, &n) || n > IMAGE_PHDRS)
		return true;
	for (size_t i = 0; i < n; i++) {
		if (!gelf_getphdr(elf, (int)i, &p) || p.p_type != PT_LOAD)
			continue;
		if (p.p_vaddr >> 47 || p.p_filesz >> 47)
			return true;
		const struct sym_map map = {
			.addr = (bias + p.p_vaddr) & -PAGE,
			.end = (bias + p.p_vaddr + p.p_filesz + PAGE - 1) & -PAGE,
			.offset = p.p_offset & -PAGE,
			.prot = (p.p_flags & PF_R ? PROT_READ : 0u) |
				(p.p_flags & PF_W ? PROT_WRITE : 0u) |
				(p.p_flags & PF_X ? PROT_EXEC : 0u),
			.path = code->path,
		};
		if (!add(c, &map, p.p_flags & PF_W ? -1 : code->fd))
			return false;
	}
	return true;
}

static bool add_code(struct sym_copy *c, const struct sym_code *code)
{
	const struct sym_map map = {
		.addr = code->start,
		.end = code->end,
		.offset = code->offset,
		.prot = PROT_READ | PROT_EXEC,
		.path = code->path,
	};
	Elf *elf = code->fd < 0 ? NULL : elf_begin(code->fd, ELF_C_READ_MMAP, NULL);
	bool ok = true;
	uint64_t bias;

	if (elf && elf_kind(elf) == ELF_K_ELF && find_bias(elf, code, &bias))
		ok = add_segments(c, elf, code, bias);
	elf_end(elf);
	return ok && add(c, &map, -1);
}

static const struct part *part_at(const struct sym_copy *c, uint64_t addr)
{
	for (size_t i = 0; i < c->n; i++)
		if (addr >= c->part[i].map.addr && addr < c->part[i].map.end)
			return &c->part[i];
	return NULL;
}

static ssize_t read_part(const struct part *p, uint64_t addr, void *buf, size_t len)
{
	if (!p || p->fd < 0)
		return -EFAULT;
	if (len > p->map.end - addr)
		len = p->map.end - addr;
	ssize_t n = pread(p->fd, buf, len, (off_t)(p->map.offset + (addr - p->map.addr)));
	return n < 0 ? -errno : n;
}

static ssize_t read_copy(void *ctx, uint64_t addr, void *buf, size_t len)
{
	const struct sym_copy *c = ctx;
	const struct sym_copied *k = c->kept;

	if (addr < k->sp || addr - k->sp >= k->stack_len)
		return read_part(part_at(c, addr), addr, buf, len);
	const uint64_t at = addr - k->sp;
	if (len > k->stack_len - at)
		len = k->stack_len - at;
	memcpy(buf, (const char *)k->stack + at, len);
	return (ssize_t)len;
}

static int each_map(void *ctx, sym_map_fn fn, void *arg)
{
	const struct sym_copy *c = ctx;
	int err = 0;

	for (size_t i = 0; i < c->n && !err; i++)
		err = fn(arg, &c->part[i].map);
	return err;
}

static int open_part(void *ctx, uint64_t addr)
{
	const struct part *p = part_at(ctx, addr);

	return p && p->fd >= 0 ? dup(p->fd) : -1;
}

struct sym_copy *sym_copy__new(const struct sym_copied *kept)
{
	struct sym_copy *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	elf_version(EV_CURRENT);
	c->kept = kept;
	c->source = (struct sym_source){ read_copy, each_map, open_part, c };
	for (size_t i = 0; i < kept->ncode; i++) {
		if (!add_code(c, &kept->code[i])) {
			sym_copy__free(c);
			return NULL;
		}
	}
	return c;
}

const struct sym_source *sym_copy__source(const struct sym_copy *c)
{
	return &c->source;
}

void sym_copy__free(struct sym_copy *c)
{
	if (!c)
		return;
	free(c->part);
	free(c);
}

void sym_build_id__of_file(int fd, char *ret, size_t room)
{
	elf_version(EV_CURRENT);
	Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);

	ret[0] = '\0';
	if (elf && elf_kind(elf) == ELF_K_ELF)
		sym_image__build_id(elf, ret, room);
	elf_end(elf);
}

void sym_build_id__of_head(const void *head, size_t len, char *ret, size_t room)
{
	char *copy = malloc(len ? len : 1);

	ret[0] = '\0';
	if (!copy)
		return;
	elf_version(EV_CURRENT);
	memcpy(copy, head, len);
	Elf *elf = elf_memory(copy, len);
	if (elf && elf_kind(elf) == ELF_K_ELF)
		sym_image__build_id(elf, ret, room);
	elf_end(elf);
	free(copy);
}
