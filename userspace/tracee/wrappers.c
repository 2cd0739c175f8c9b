/* SPDX-License-Identifier: MIT */
/* wrappers.c: see wrappers.h. Found by name in the dynamic symbols, and believed by their bytes (glibc 2.31 to 2.41, without CET). */
#include "tracee/wrappers.h"

#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#define CODE_MAX 32

/** Functions that are looked at. */
static const char *const names[] = { "readlink", "access",    "lseek", "lseek64",
				     "fstatat",	 "fstatat64", "close" };

/** The code of a wrapper: bytes before `mov $NR, %eax; syscall`, and behind; ANY stands for one of two compilers' ways. */
#define ANY 0x100
struct shape {
	uint16_t before[12], after[12];
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
	/* cmpb $0, __libc_single_threaded; je; ...; cmp; ja; ret: the first of two ways */
	{ { 0x80, 0x3d, ANY, ANY, ANY, ANY, 0x00, 0x74, ANY },
	  { 0x48, 0x3d, ANY, 0xf0, 0xff, 0xff, 0x77, ANY, 0xc3 },
	  9,
	  9 },
};

/**
 * Longer functions, exported or such that an exported one jumps to them; known by the hash of all their bytes up to where addresses of
 * other places follow. Each has been read: nothing jumps between the two instructions, and what is below rsp isn't in use (it calls
 * others).
 */
#define LONG_MAX  512
#define HOLES_MAX 8
#define NO_JUMP	  ~(size_t)0
static const struct {
	const char *name; /* of the exported one, and where in it the jump (e9) is, or NO_JUMP */
	size_t jump;
	size_t len; /* bytes that are hashed (XXH3_64bits) */
	uint64_t hash;
	uint32_t nr, at;	  /* of `mov $NR, %eax; syscall` */
	uint16_t hole[HOLES_MAX]; /* where 4 bytes are hashed as zeros: distances to other places */
} longer[] = {
	/* glibc 2.36 of Debian 12 */
	{ "sigaction", 16, 443, 0x2c702fd9d0dfddd4ull, 13, 184, { 0 } },
	{ "open64",
	  NO_JUMP,
	  296,
	  0x112c51540c9df684ull,
	  257,
	  74,
	  { 57, 138, 179, 224, 243, 275, 292 } },
};
#define NLONGER (sizeof(longer) / sizeof(*longer))

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

/** Is the code at a file offset longer[k]? */
static bool is_longer(int fd, uint64_t offset, size_t k)
{
	uint8_t code[LONG_MAX];

	if (pread(fd, code, longer[k].len, (off_t)offset) != (ssize_t)longer[k].len)
		return false;
	for (size_t i = 0; i < HOLES_MAX && longer[k].hole[i]; i++)
		memset(code + longer[k].hole[i], 0, 4);
	return XXH3_64bits(code, longer[k].len) == longer[k].hash;
}

/** The function at a file offset, or the one to which it jumps, if that is longer[k]. */
static void look_behind(int fd, uint64_t offset, size_t k, const uint32_t *nr, size_t n,
			struct wrappers *ret)
{
	uint8_t jump[5];
	int32_t to = 0;

	if (longer[k].jump != NO_JUMP) {
		offset += longer[k].jump;
		if (pread(fd, jump, sizeof(jump), (off_t)offset) != sizeof(jump) || jump[0] != 0xe9)
			return;
		memcpy(&to, jump + 1, sizeof(to));
		offset += sizeof(jump) + (uint64_t)(int64_t)to;
	}
	if (!is_longer(fd, offset, k))
		return;
	for (size_t i = 0; i < n; i++)
		if (nr[i] == longer[k].nr)
			add(ret, offset + longer[k].at, nr[i]);
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

/** One exported function. */
static void look_at(int fd, const char *name, uint64_t offset, const uint32_t *nr, size_t n,
		    struct wrappers *ret)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(name, names[i]))
			look(fd, offset, nr, n, ret);
	for (size_t i = 0; i < NLONGER; i++)
		if (!strcmp(name, longer[i].name))
			look_behind(fd, offset, i, nr, n, ret);
}

static void search(int fd, Elf *elf, Elf_Scn *scn, const GElf_Shdr *sh, const uint32_t *nr,
		   size_t n, struct wrappers *ret)
{
	Elf_Data *data = elf_getdata(scn, NULL);
	const size_t nsyms = data && sh->sh_entsize ? sh->sh_size / sh->sh_entsize : 0;
	GElf_Sym sym;

	for (size_t i = 0; i < nsyms; i++) {
		if (!gelf_getsym(data, (int)i, &sym) || GELF_ST_TYPE(sym.st_info) != STT_FUNC ||
		    sym.st_shndx == SHN_UNDEF)
			continue;
		const char *name = elf_strptr(elf, sh->sh_link, sym.st_name);
		const uint64_t offset = name ? offset_of(elf, sym.st_value) : 0;
		if (offset)
			look_at(fd, name, offset, nr, n, ret);
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
