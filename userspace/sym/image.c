/* SPDX-License-Identifier: MIT */
/*
 * image.c: ELF files as they lie in a process's memory.
 *
 * What is in memory is the program's, and may be anything: an image is believed only if its program headers are in bounds
 * and its code is mapped from the same object at the offsets they say. A file on disk is used in its place only if its
 * build id is the one in memory; a program that was replaced since is not mistaken for the old one.
 */
#include "sym/image.h"

#include <elfutils/libdwelf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096ull
/* Larger files are not put together: they would be read whole. */
#define IMAGE_MAX (512ull << 20)
#define MAPS_MAX  (1u << 20)

static int add_map(void *arg, const struct sym_map *map)
{
	struct sym_maps *maps = arg;

	if (maps->n == maps->room) {
		size_t room = maps->room ? 2 * maps->room : 64;
		struct sym_map *more = reallocarray(maps->map, room, sizeof(*more));
		if (!more || room > MAPS_MAX)
			return -ENOMEM;
		maps->map = more;
		maps->room = room;
	}
	struct sym_map *m = &maps->map[maps->n];
	*m = *map;
	m->path = strdup(map->path ? map->path : "");
	if (!m->path)
		return -ENOMEM;
	maps->n++;
	return 0;
}

int sym_maps__read(struct sym_maps *ret, const struct sym_source *src)
{
	struct sym_maps maps = { 0 };
	int err = src->each_map(src->ctx, add_map, &maps);

	if (err) {
		sym_maps__free(&maps);
		return err;
	}
	*ret = maps;
	return 0;
}

void sym_maps__free(struct sym_maps *maps)
{
	for (size_t i = 0; i < maps->n; i++)
		free((char *)maps->map[i].path);
	free(maps->map);
	*maps = (struct sym_maps){ 0 };
}

const struct sym_map *sym_maps__at(const struct sym_maps *maps, uint64_t addr)
{
	for (size_t i = 0; i < maps->n; i++) {
		if (addr >= maps->map[i].addr && addr < maps->map[i].end)
			return &maps->map[i];
	}
	return NULL;
}

bool sym_maps__is_code(const struct sym_maps *maps, uint64_t addr)
{
	const struct sym_map *m = sym_maps__at(maps, addr);

	return m && (m->prot & PROT_EXEC);
}

static bool read_all(const struct sym_source *src, uint64_t addr, void *buf, size_t len)
{
	return src->read(src->ctx, addr, buf, len) == (ssize_t)len;
}

static bool good_header(const Elf64_Ehdr *e)
{
	return !memcmp(e->e_ident, ELFMAG, SELFMAG) && e->e_ident[EI_CLASS] == ELFCLASS64 &&
	       e->e_ident[EI_DATA] == ELFDATA2LSB && e->e_ident[EI_VERSION] == EV_CURRENT &&
	       (e->e_type == ET_EXEC || e->e_type == ET_DYN) && e->e_machine == EM_X86_64 &&
	       e->e_phentsize == sizeof(Elf64_Phdr) && e->e_phnum && e->e_phnum <= IMAGE_PHDRS &&
	       e->e_phoff >= sizeof(*e) && e->e_phoff <= PAGE;
}

/* Code of a segment is mapped from the same object, where the header says. */
static bool code_is_mapped(const struct sym_image *im, const struct sym_maps *maps,
			   const Elf64_Phdr *p)
{
	uint64_t at = im->bias + p->p_vaddr;
	const struct sym_map *m = sym_maps__at(maps, at);

	return m && (m->prot & PROT_EXEC) && !strcmp(m->path, im->path) &&
	       m->offset + (at - m->addr) == p->p_offset;
}

/* Checks the segments, and finds out which addresses they take. */
static bool take_segments(struct sym_image *im, const struct sym_maps *maps)
{
	bool first = true, code = false;

	for (unsigned int i = 0; i < im->ehdr.e_phnum; i++) {
		const Elf64_Phdr *p = &im->phdr[i];
		if (p->p_type != PT_LOAD)
			continue;
		if (p->p_offset > IMAGE_MAX || p->p_filesz > IMAGE_MAX || p->p_vaddr >> 47 ||
		    p->p_memsz >> 47 || p->p_filesz > p->p_memsz)
			return false;
		if (first) {
			if (p->p_offset || (p->p_align && (p->p_align & (p->p_align - 1))))
				return false;
			im->bias = im->low - (p->p_vaddr & -PAGE);
			first = false;
		}
		if (p->p_flags & PF_X) {
			if (!code_is_mapped(im, maps, p))
				return false;
			code = true;
		}
		uint64_t end = im->bias + p->p_vaddr + p->p_memsz;
		if (end > im->high)
			im->high = (end + PAGE - 1) & -PAGE;
	}
	return code && im->high > im->low;
}

bool sym_image__find(struct sym_image *ret, const struct sym_source *src,
		     const struct sym_maps *maps, size_t i)
{
	const struct sym_map *m = &maps->map[i];

	if (m->offset || !(m->prot & PROT_READ) ||
	    !read_all(src, m->addr, &ret->ehdr, sizeof(ret->ehdr)) || !good_header(&ret->ehdr))
		return false;
	if (!read_all(src, m->addr + ret->ehdr.e_phoff, ret->phdr,
		      ret->ehdr.e_phnum * sizeof(ret->phdr[0])))
		return false;
	ret->low = m->addr;
	ret->high = 0;
	ret->bias = 0;
	ret->path = m->path;
	return take_segments(ret, maps);
}

/* Bytes of the file that its segments hold; 0: none, or too many. */
static size_t file_size(const struct sym_image *im)
{
	uint64_t size = 0;

	for (unsigned int i = 0; i < im->ehdr.e_phnum; i++) {
		const Elf64_Phdr *p = &im->phdr[i];
		if (p->p_type == PT_LOAD && p->p_offset + p->p_filesz > size)
			size = p->p_offset + p->p_filesz;
	}
	return size <= IMAGE_MAX && size >= 2 * PAGE ? size : 0;
}

Elf *sym_image__from_memory(const struct sym_image *im, const struct sym_source *src,
			    char **ret_bytes)
{
	size_t size = file_size(im), phdrs = im->ehdr.e_phnum * sizeof(im->phdr[0]);
	char *bytes = size ? calloc(1, size) : NULL;
	Elf64_Ehdr ehdr = im->ehdr;

	if (!bytes)
		return NULL;
	/* what can't be read stays zero: less is known then, nothing is wrong */
	for (unsigned int i = 0; i < ehdr.e_phnum; i++) {
		const Elf64_Phdr *p = &im->phdr[i];
		if (p->p_type == PT_LOAD && p->p_filesz)
			src->read(src->ctx, im->bias + p->p_vaddr, bytes + p->p_offset,
				  p->p_filesz);
	}
	ehdr.e_shoff = 0; /* not part of any segment */
	ehdr.e_shnum = 0;
	ehdr.e_shstrndx = 0;
	memcpy(bytes, &ehdr, sizeof(ehdr));
	memcpy(bytes + ehdr.e_phoff, im->phdr, phdrs);
	Elf *elf = elf_memory(bytes, size);
	if (!elf) {
		free(bytes);
		return NULL;
	}
	*ret_bytes = bytes;
	return elf;
}

int sym_image__from_file(const struct sym_image *im, Elf *memory, Elf **ret_elf)
{
	const void *want, *have;
	Elf *elf = NULL;
	struct stat st;
	ssize_t len = dwelf_elf_gnu_build_id(memory, &want);

	if (im->path[0] != '/' || len <= 0)
		return -1;
	int fd = open(im->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -1;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode))
		elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	if (elf && dwelf_elf_gnu_build_id(elf, &have) == len && !memcmp(want, have, len)) {
		*ret_elf = elf;
		return fd;
	}
	elf_end(elf);
	close(fd);
	return -1;
}

void sym_image__build_id(Elf *elf, char *ret, size_t room)
{
	const void *id;
	ssize_t len = dwelf_elf_gnu_build_id(elf, &id);

	ret[0] = '\0';
	for (ssize_t i = 0; i < len && 2 * (size_t)i + 3 <= room; i++)
		snprintf(ret + 2 * i, 3, "%02x", ((const unsigned char *)id)[i]);
}
