/* SPDX-License-Identifier: MIT */
/* wrappers.c: see wrappers.h. Found by name in the dynamic symbols, and believed by their bytes (glibc 2.31 to 2.41, without CET). */
#include "tracee/wrappers.h"

#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#define CODE_MAX 24

/** Functions that are looked at. */
static const char *const names[] = { "readlink", "access",  "lseek",
				     "lseek64",	 "fstatat", "fstatat64" };

/** The code of a wrapper: bytes before `mov $NR, %eax; syscall`, and behind; ANY stands for one of two compilers' ways. */
#define ANY 0x100
struct shape {
	uint16_t before[4], after[12];
	size_t nbefore, nafter;
};

static const struct shape shapes[] = {
	/* cmp $-4096 or $-4095, %rax; ja or jae behind the ret; ret */
	{ { 0 }, { 0x48, 0x3d, ANY, 0xf0, 0xff, 0xff, ANY, 0x01, 0xc3 }, 0, 9 },
	/* mov %ecx, %r10d; ...; cmp $-4096, %eax; ja; xor %eax, %eax; ret */
	{ { 0x41, 0x89, 0xca },
	  { 0x3d, 0x00, 0xf0, 0xff, 0xff, 0x77, ANY, 0x31, 0xc0, 0xc3 },
	  3,
	  10 },
};

static bool matches(const uint16_t *shape, size_t n, const uint8_t *code)
{
	for (size_t i = 0; i < n; i++)
		if (shape[i] != ANY && shape[i] != code[i])
			return false;
	return true;
}

void wrapper__bytes(const struct wrapper *w, uint8_t ret[WRAPPER_BYTES])
{
	const uint8_t code[WRAPPER_BYTES] = {
		0xb8, (uint8_t)w->nr, (uint8_t)(w->nr >> 8), 0, 0, 0x0f, 0x05
	};

	memcpy(ret, code, sizeof(code));
}

void wrapper__patch(uint64_t code, uint8_t ret[WRAPPER_BYTES])
{
	const uint32_t low = (uint32_t)code;

	ret[0] = 0xb8; /* mov $low, %eax */
	memcpy(ret + 1, &low, sizeof(low));
	ret[5] = 0xff; /* call *%rax */
	ret[6] = 0xd0;
}

static bool is_code_of(const uint8_t *code, const struct shape *s, uint32_t nr)
{
	const struct wrapper w = { .nr = nr };
	uint8_t bytes[WRAPPER_BYTES];

	wrapper__bytes(&w, bytes);
	return matches(s->before, s->nbefore, code) &&
	       !memcmp(code + s->nbefore, bytes, sizeof(bytes)) &&
	       matches(s->after, s->nafter, code + s->nbefore + sizeof(bytes));
}

static void add(struct wrappers *ret, uint64_t offset, uint32_t nr)
{
	for (size_t i = 0; i < ret->n; i++)
		if (ret->v[i].offset == offset)
			return; /* by another name */
	if (ret->n < WRAPPERS_MAX)
		ret->v[ret->n++] = (struct wrapper){ offset, nr };
}

/** A function at a file offset. */
static void look(int fd, uint64_t offset, const uint32_t *nr, size_t n, struct wrappers *ret)
{
	uint8_t code[CODE_MAX];

	if (pread(fd, code, sizeof(code), (off_t)offset) != (ssize_t)sizeof(code))
		return;
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < sizeof(shapes) / sizeof(*shapes); j++)
			if (is_code_of(code, &shapes[j], nr[i]))
				add(ret, offset + shapes[j].nbefore, nr[i]);
}

/** File offset of an address that is executed; 0: none. */
static uint64_t offset_of(Elf *elf, uint64_t addr)
{
	size_t n = 0;
	GElf_Phdr ph;

	if (elf_getphdrnum(elf, &n))
		return 0;
	for (size_t i = 0; i < n; i++)
		if (gelf_getphdr(elf, (int)i, &ph) && ph.p_type == PT_LOAD && ph.p_flags & PF_X &&
		    addr >= ph.p_vaddr && addr - ph.p_vaddr < ph.p_filesz)
			return ph.p_offset + (addr - ph.p_vaddr);
	return 0;
}

static bool is_wanted(const char *name)
{
	for (size_t i = 0; name && i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

static void search(int fd, Elf *elf, Elf_Scn *scn, const GElf_Shdr *sh, const uint32_t *nr,
		   size_t n, struct wrappers *ret)
{
	Elf_Data *data = elf_getdata(scn, NULL);
	const size_t nsyms = data && sh->sh_entsize ? sh->sh_size / sh->sh_entsize : 0;
	GElf_Sym sym;

	for (size_t i = 0; i < nsyms; i++) {
		if (!gelf_getsym(data, (int)i, &sym) || GELF_ST_TYPE(sym.st_info) != STT_FUNC ||
		    sym.st_shndx == SHN_UNDEF ||
		    !is_wanted(elf_strptr(elf, sh->sh_link, sym.st_name)))
			continue;
		const uint64_t offset = offset_of(elf, sym.st_value);
		if (offset)
			look(fd, offset, nr, n, ret);
	}
}

void wrappers__find(int fd, const uint32_t *nr, size_t n, struct wrappers *ret)
{
	Elf_Scn *scn = NULL;
	GElf_Shdr sh;
	Elf *elf;

	ret->n = 0;
	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	if (!elf)
		return;
	while (elf_kind(elf) == ELF_K_ELF && (scn = elf_nextscn(elf, scn)))
		if (gelf_getshdr(scn, &sh) && sh.sh_type == SHT_DYNSYM)
			search(fd, elf, scn, &sh, nr, n, ret);
	elf_end(elf);
}
