/* SPDX-License-Identifier: MIT */
/* wrappers.c: see wrappers.h. Found by name in the dynamic symbols, and believed by their bytes (glibc 2.31 to 2.41, without CET). Those of
 * ld.so are not among its symbols; all places in its text where a function could begin are looked at. */
#include "tracee/wrappers.h"

#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#define CODE_MAX  64
#define NR_OPENAT 257u

/** Functions that are looked at. */
static const char *const names[] = { "readlink", "access",    "lseek", "lseek64",
				     "fstatat",	 "fstatat64", "close", "__close_nocancel" };

/** What ld.so alone exports, and the alignment of its functions. */
#define LD_SO	       "_rtld_global"
#define LD_SO_ALIGN    16u
#define LD_SO_TEXT_MAX (1u << 20)

/** The code of a wrapper: bytes before `mov $NR, %eax; syscall`, and behind; ANY stands for one of two compilers' ways. */
#define ANY 0x100
struct shape {
	uint16_t before[40], after[12];
	size_t nbefore, nafter;
	bool at_cwd; /* an openat, with `mov $-100, %edi; syscall` */
};

static const struct shape shapes[] = {
	/* cmp $-4096 or $-4095, %rax; ja or jae behind the ret; ret */
	{ { 0 }, { 0x48, 0x3d, ANY, 0xf0, 0xff, 0xff, ANY, 0x01, 0xc3 }, 0, 9, false },
	/* mov %ecx, %r10d; ...; cmp $-4096, %eax; ja; xor %eax, %eax; ret */
	{ { 0x41, 0x89, 0xca },
	  { 0x3d, 0x00, 0xf0, 0xff, 0xff, 0x77, ANY, 0x31, 0xc0, 0xc3 },
	  3,
	  10,
	  false },
	/* cmpb $0, __libc_single_threaded; je; ...; cmp; ja; ret: the first of two ways */
	{ { 0x80, 0x3d, ANY, ANY, ANY, ANY, 0x00, 0x74, ANY },
	  { 0x48, 0x3d, ANY, 0xf0, 0xff, 0xff, 0x77, ANY, 0xc3 },
	  9,
	  9,
	  false },
	/* ld.so's __open64_nocancel: what is in use below rsp begins at -0x20, and no longer is at the call */
	{ { 0x41, 0x89, 0xf2, 0x48, 0x89, 0x54, 0x24, 0xe0, 0x41, 0x83, 0xe2, 0x40, 0x75,
	    ANY,  0x89, 0xf0, 0x25, 0x00, 0x00, 0x41, 0x00, 0x3d, 0x00, 0x00, 0x41, 0x00,
	    0x74, ANY,	0x89, 0xf2, 0xb8, 0x01, 0x01, 0x00, 0x00, 0x48, 0x89, 0xfe },
	  { 0x48, 0x3d, 0x00, 0xf0, 0xff, 0xff, 0x77, ANY, 0xc3 },
	  38,
	  9,
	  true },
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
	bool at_cwd;		  /* ... or of `mov $-100, %edi; syscall` */
	uint16_t hole[HOLES_MAX]; /* where 4 bytes are hashed as zeros: distances to other places */
} longer[] = {
	/* glibc 2.36 of Debian 12 */
	{ "sigaction", 16, 443, 0x2c702fd9d0dfddd4ull, 13, 184, false, { 0 } },
	{ "open64",
	  NO_JUMP,
	  296,
	  0x112c51540c9df684ull,
	  257,
	  74,
	  false,
	  { 57, 138, 179, 224, 243, 275, 292 } },
	{ "__open64_nocancel", NO_JUMP, 155, 0x3b5e0949563d84c6ull, NR_OPENAT, 58, true, { 139 } },
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
	const uint32_t value = w->at_cwd ? (uint32_t)AT_FDCWD : w->nr;

	ret[0] = w->at_cwd ? 0xbf : 0xb8; /* mov to edi, eax */
	memcpy(ret + 1, &value, sizeof(value));
	ret[5] = 0x0f; /* syscall */
	ret[6] = 0x05;
}

void wrapper__patch(const struct wrapper *w, uint64_t code, uint8_t ret[WRAPPER_BYTES])
{
	const uint32_t low = (uint32_t)code;

	ret[0] = w->at_cwd ? 0xbf : 0xb8;
	memcpy(ret + 1, &low, sizeof(low));
	ret[5] = 0xff; /* call *%rdi, *%rax */
	ret[6] = w->at_cwd ? 0xd7 : 0xd0;
}

static bool is_code_of(const uint8_t *code, const struct shape *s, uint32_t nr)
{
	const struct wrapper w = { .nr = nr, .at_cwd = s->at_cwd };
	uint8_t bytes[WRAPPER_BYTES];

	wrapper__bytes(&w, bytes);
	return (!s->at_cwd || nr == NR_OPENAT) && matches(s->before, s->nbefore, code) &&
	       !memcmp(code + s->nbefore, bytes, sizeof(bytes)) &&
	       matches(s->after, s->nafter, code + s->nbefore + sizeof(bytes));
}

static void add(struct wrappers *ret, uint64_t offset, uint32_t nr, bool at_cwd)
{
	for (size_t i = 0; i < ret->n; i++)
		if (ret->v[i].offset == offset)
			return; /* by another name */
	if (ret->n < WRAPPERS_MAX)
		ret->v[ret->n++] = (struct wrapper){ offset, nr, at_cwd };
}

/** A function at a file offset, of which CODE_MAX bytes are given. */
static void look_at_code(const uint8_t *code, uint64_t offset, const uint32_t *nr, size_t n,
			 struct wrappers *ret)
{
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < sizeof(shapes) / sizeof(*shapes); j++)
			if (is_code_of(code, &shapes[j], nr[i]))
				add(ret, offset + shapes[j].nbefore, nr[i], shapes[j].at_cwd);
}

static void look(int fd, uint64_t offset, const uint32_t *nr, size_t n, struct wrappers *ret)
{
	uint8_t code[CODE_MAX];

	if (pread(fd, code, sizeof(code), (off_t)offset) == (ssize_t)sizeof(code))
		look_at_code(code, offset, nr, n, ret);
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
			add(ret, offset + longer[k].at, nr[i], longer[k].at_cwd);
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

/** Bytes [offset, offset + len) of ld.so. */
static void look_at_text(int fd, uint64_t offset, uint64_t len, const uint32_t *nr, size_t n,
			 struct wrappers *ret)
{
	uint8_t *code = len <= LD_SO_TEXT_MAX ? malloc(len) : NULL;

	if (code && pread(fd, code, len, (off_t)offset) == (ssize_t)len)
		for (uint64_t at = 0; at + CODE_MAX <= len; at += LD_SO_ALIGN)
			look_at_code(code + at, offset + at, nr, n, ret);
	free(code);
}

static void look_at_ld_so(int fd, Elf *elf, const uint32_t *nr, size_t n, struct wrappers *ret)
{
	size_t nph = 0;
	GElf_Phdr ph;

	if (elf_getphdrnum(elf, &nph))
		return;
	for (size_t i = 0; i < nph; i++)
		if (gelf_getphdr(elf, (int)i, &ph) && ph.p_type == PT_LOAD && ph.p_flags & PF_X)
			look_at_text(fd, ph.p_offset, ph.p_filesz, nr, n, ret);
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
		if (!gelf_getsym(data, (int)i, &sym) || sym.st_shndx == SHN_UNDEF)
			continue;
		const char *name = elf_strptr(elf, sh->sh_link, sym.st_name);
		const bool code = GELF_ST_TYPE(sym.st_info) == STT_FUNC;
		const uint64_t offset = name && code ? offset_of(elf, sym.st_value) : 0;
		if (offset)
			look_at(fd, name, offset, nr, n, ret);
		else if (name && !strcmp(name, LD_SO))
			look_at_ld_so(fd, elf, nr, n, ret);
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
