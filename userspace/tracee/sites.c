/* SPDX-License-Identifier: MIT */
/*
 * sites.c: finds cpuid, rdtsc and rdtscp in an executable file.
 *
 * The bytes of these instructions also occur in others' immediates and in data (libc has `0f 31` 39 times, and 2 rdtsc). So
 * each place found is decoded towards, from the beginning of the function that holds it: the unwind table's ranges begin
 * at instructions, else the symbols of functions do, else the table of a Go program. Where none covers it, or the bytes on the way don't decode (data
 * among code), it stays undecided and is left alone.
 *
 * The file is read, never mapped: somebody could truncate it meanwhile.
 */
#include "tracee/sites.h"

#include <Zydis/Zydis.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <gelf.h>
#include <libelf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bprec/format.h"
#include "tracee/gopclntab.h"

#define CODE_MAX (1ull << 30) /* bytes of one segment */
#define WINDOW	 (128u << 10) /* bytes of it that are in memory at a time */
#define LONGEST	 16	      /* an instruction has 15 at most */
#define BLOCK	 128	      /* bytes that are looked at together */

/** A function's range, by address. */
struct range {
	uint64_t lo, hi;
};

/** Bytes of the segment at hand. A compiler's code is 20 MB: page faults on memory for all of it took longer than the search. */
struct window {
	uint8_t v[WINDOW];
	uint64_t lo, n; /* n bytes from address lo */
};

/** A search. */
struct search {
	int fd;
	Elf *elf;
	Dwarf_CFI *cfi;
	struct range *funcs; /* of symbols, sorted; made when first needed */
	size_t nfuncs;
	uint64_t *
		go; /* where Go's functions begin, and at [ngo] the end of all; made with `funcs` */
	size_t ngo;
	bool funcs_known;
	uint64_t len;		/* of the segment at hand */
	uint64_t vaddr, offset; /* of its first byte: address, file offset */
	struct window *scan;	/* where the search is */
	struct window *decoded; /* where the decoder is */
	int err;		/* the file couldn't be read */
	struct range fn;	/* the function decoded last */
	uint64_t at;		/* address up to which it is decoded */
	ZydisDecoder decoder;
	struct insn_sites out;
	size_t cap;
};

static int read_all(int fd, uint8_t *buf, uint64_t len, uint64_t offset)
{
	while (len) {
		ssize_t n = pread(fd, buf, len, offset);

		if (n <= 0)
			return n ? -errno : -EIO;
		buf += n;
		offset += n;
		len -= n;
	}
	return 0;
}

/** Bytes of the segment from addr, `least` at least unless it ends before; *ret_n: how many. They stay until the window's next use.
 *  NULL: outside, or not readable (s->err). */
static const uint8_t *bytes(struct search *s, struct window *w, uint64_t addr, uint64_t least,
			    uint64_t *ret_n)
{
	const uint64_t end = s->vaddr + s->len, wanted = addr + least < end ? addr + least : end;

	if (addr < s->vaddr || addr >= end)
		return NULL;
	if (addr < w->lo || wanted > w->lo + w->n) {
		w->lo = addr;
		w->n = end - addr < WINDOW ? end - addr : WINDOW;
		s->err = read_all(s->fd, w->v, w->n, s->offset + (addr - s->vaddr));
		if (s->err)
			w->n = 0;
	}
	*ret_n = w->lo + w->n - addr;
	return s->err ? NULL : w->v + (addr - w->lo);
}

/** The instruction at addr, which ends at `end` or before. */
static bool decode(struct search *s, uint64_t addr, uint64_t end, ZydisDecodedInstruction *ret)
{
	uint64_t n;
	const uint8_t *p = bytes(s, s->decoded, addr, LONGEST, &n);

	if (!p)
		return false;
	if (n > end - addr)
		n = end - addr;
	return ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&s->decoder, NULL, p, n, ret));
}

static int by_lo(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return x->lo < y->lo ? -1 : x->lo > y->lo;
}

static int add_symbols(struct search *s, Elf_Scn *scn, const GElf_Shdr *sh)
{
	Elf_Data *data = elf_getdata(scn, NULL);
	const size_t n = data && sh->sh_entsize ? sh->sh_size / sh->sh_entsize : 0;
	struct range *v = realloc(s->funcs, (s->nfuncs + n + 1) * sizeof(*v));
	GElf_Sym sym;

	if (!v)
		return -ENOMEM;
	s->funcs = v;
	for (size_t i = 0; i < n; i++)
		if (gelf_getsym(data, i, &sym) && GELF_ST_TYPE(sym.st_info) == STT_FUNC &&
		    sym.st_size && sym.st_shndx != SHN_UNDEF)
			v[s->nfuncs++] = (struct range){ sym.st_value, sym.st_value + sym.st_size };
	return 0;
}

/** Address of a section by name, and its contents if asked for; 0: there is none. */
static uint64_t section(struct search *s, const char *name, Elf_Data **ret_data)
{
	Elf_Scn *scn = NULL;
	GElf_Shdr sh;
	size_t names;

	if (elf_getshdrstrndx(s->elf, &names))
		return 0;
	while ((scn = elf_nextscn(s->elf, scn))) {
		const char *n =
			gelf_getshdr(scn, &sh) ? elf_strptr(s->elf, names, sh.sh_name) : NULL;

		if (!n || strcmp(n, name))
			continue;
		if (ret_data)
			*ret_data = elf_rawdata(scn, NULL);
		return sh.sh_addr;
	}
	return 0;
}

/** A Go program's table of its functions. One that isn't good tells nothing. */
static int read_go(struct search *s)
{
	Elf_Data *data = NULL;
	int err;

	if (!section(s, ".gopclntab", &data))
		section(s, ".data.rel.ro.gopclntab", &data); /* position-independent */
	if (!data || !data->d_buf)
		return 0;
	err = gopclntab__functions(data->d_buf, data->d_size, section(s, ".text", NULL), &s->go,
				   &s->ngo);
	return err == -ENOMEM ? err : 0;
}

static int read_functions(struct search *s)
{
	Elf_Scn *scn = NULL;
	GElf_Shdr sh;
	int err = read_go(s);

	s->funcs_known = true;
	while (!err && (scn = elf_nextscn(s->elf, scn)))
		if (gelf_getshdr(scn, &sh) &&
		    (sh.sh_type == SHT_SYMTAB || sh.sh_type == SHT_DYNSYM))
			err = add_symbols(s, scn, &sh);
	if (s->nfuncs)
		qsort(s->funcs, s->nfuncs, sizeof(*s->funcs), by_lo);
	return err;
}

/** By the unwind table: the part of the function with one rule, which begins at an instruction too. */
static bool unwind_range(struct search *s, uint64_t addr, struct range *ret)
{
	Dwarf_Frame *frame = NULL;
	Dwarf_Addr lo = 0, hi = 0;
	bool found;

	if (!s->cfi || dwarf_cfi_addrframe(s->cfi, addr, &frame))
		return false;
	found = dwarf_frame_info(frame, &lo, &hi, NULL) >= 0 && lo <= addr && addr < hi;
	free(frame);
	*ret = (struct range){ lo, hi };
	return found;
}

/** By the symbols: the nearest that begins before it and reaches it. */
static bool symbol_range(struct search *s, uint64_t addr, struct range *ret)
{
	size_t lo = 0, hi = s->nfuncs;

	while (lo < hi) {
		const size_t mid = (lo + hi) / 2;

		if (s->funcs[mid].lo <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo || s->funcs[lo - 1].hi <= addr)
		return false;
	*ret = s->funcs[lo - 1];
	return true;
}

/** Does decoding from the range's beginning arrive at its end? (Functions are padded with int3.) */
static bool decodes(struct search *s, const struct range *r)
{
	ZydisDecodedInstruction in;
	uint64_t at = r->lo;

	if (r->lo < s->vaddr || r->hi > s->vaddr + s->len)
		return false;
	while (at < r->hi) {
		if (!decode(s, at, r->hi, &in))
			return false;
		at += in.length;
	}
	return true;
}

/** By Go's table. Where its code begins may be a guess, so the function has to fit. */
static bool go_range(struct search *s, uint64_t addr, struct range *ret)
{
	size_t lo = 0, hi = s->ngo;

	while (lo < hi) {
		const size_t mid = (lo + hi) / 2;

		if (s->go[mid] <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo || s->go[lo] <= addr)
		return false;
	*ret = (struct range){ s->go[lo - 1], s->go[lo] };
	return decodes(s, ret);
}

/** The range that holds an address. False: none does, or it isn't all in the segment. */
static bool find_range(struct search *s, uint64_t addr)
{
	if (s->fn.lo <= addr && addr < s->fn.hi && s->at <= addr)
		return true; /* go on from there */
	if (!unwind_range(s, addr, &s->fn)) {
		if (!s->elf || (!s->funcs_known && read_functions(s)) ||
		    (!symbol_range(s, addr, &s->fn) && !go_range(s, addr, &s->fn)))
			s->fn = (struct range){ 0 };
	}
	if (s->fn.lo < s->vaddr)
		s->fn = (struct range){ 0 };
	s->at = s->fn.lo;
	return s->fn.hi != 0;
}

static int add_site(struct search *s, uint64_t addr, enum insn_kind kind, uint8_t length)
{
	struct insn_site *v = s->out.v;
	uint64_t n;
	const uint8_t *p = bytes(s, s->decoded, addr, LONGEST, &n);

	if (!p)
		return s->err;
	if (s->out.n == s->cap) {
		s->cap = s->cap ? 2 * s->cap : 16;
		v = realloc(v, s->cap * sizeof(*v));
		if (!v)
			return -ENOMEM;
		s->out.v = v;
	}
	v[s->out.n++] = (struct insn_site){
		.offset = s->offset + (addr - s->vaddr),
		.part = s->offset,
		.part_len = s->len,
		.kind = kind,
		.length = length,
		.first = *p,
	};
	return 0;
}

/** Enters an instruction if it is one of chance. 0 or -ENOMEM. */
static int enter(struct search *s, uint64_t addr, const ZydisDecodedInstruction *in)
{
	switch (in->mnemonic) {
	case ZYDIS_MNEMONIC_CPUID:
		return add_site(s, addr, INSN_CPUID, in->length);
	case ZYDIS_MNEMONIC_RDTSC:
		return add_site(s, addr, INSN_RDTSC, in->length);
	case ZYDIS_MNEMONIC_RDTSCP:
		return add_site(s, addr, INSN_RDTSCP, in->length);
	case ZYDIS_MNEMONIC_RDRAND:
	case ZYDIS_MNEMONIC_RDSEED:
	case ZYDIS_MNEMONIC_RDPID:
		s->out.random++;
		return 0;
	default:
		return 0;
	}
}

/** Bytes p, which no one can tell about. 0. */
static int undecided(struct search *s, const uint8_t *p)
{
	s->out.undecided++;
	if (p[1] == 0x31 || p[1] == 0x01)
		s->out.undecided_tsc++;
	return 0;
}

/** Decides about the bytes p at addr: decodes up to the instruction that they are in. */
static int decide(struct search *s, uint64_t addr, const uint8_t *p)
{
	ZydisDecodedInstruction in;
	uint64_t at = s->at;

	if (s->at > addr && s->fn.lo <= addr && addr < s->fn.hi)
		return 0; /* inside an instruction that has been decoded */
	if (!find_range(s, addr))
		return s->err ? s->err : undecided(s, p);
	while (s->at <= addr) {
		at = s->at;
		if (!decode(s, at, s->vaddr + s->len, &in))
			return s->err ? s->err : undecided(s, p);
		s->at = at + in.length;
	}
	return enter(s, at, &in);
}

/** Do bytes look like one of the instructions sought? A prefix may come before them. */
static bool looks_like(const uint8_t *p, uint64_t left)
{
	if (p[1] == 0xa2 || p[1] == 0x31)
		return true;
	if (left < 3)
		return false;
	return (p[1] == 0x01 && p[2] == 0xf9) || (p[1] == 0xc7 && p[2] >= 0xf0);
}

/** May one of BLOCK bytes be the first of what looks_like? Reads BLOCK + 1. 0f alone is common; without a branch the compiler
 *  makes vector operations of this. */
static bool block_may(const uint8_t *p)
{
	uint8_t may = 0;

	for (int i = 0; i < BLOCK; i++)
		may |= (p[i] == 0x0f) & ((p[i + 1] == 0xa2) | (p[i + 1] == 0x31) |
					 (p[i + 1] == 0x01) | (p[i + 1] == 0xc7));
	return may;
}

/** n bytes at addr, and those behind them: left. */
static int search_block(struct search *s, uint64_t addr, const uint8_t *p, uint64_t n,
			uint64_t left)
{
	int err = 0;

	for (uint64_t i = 0; !err && i < n && i + 1 < left; i++)
		if (p[i] == 0x0f && looks_like(p + i, left - i))
			err = decide(s, addr + i, p + i);
	return err;
}

static int search_code(struct search *s)
{
	const uint64_t end = s->vaddr + s->len;
	uint64_t left, n;
	const uint8_t *p;
	int err = 0;

	for (uint64_t addr = s->vaddr; !err && addr < end; addr += n) {
		p = bytes(s, s->scan, addr, BLOCK + LONGEST, &left);
		if (!p)
			return s->err;
		n = left < BLOCK + LONGEST ? left : BLOCK; /* the end, or one block */
		if (n == left || block_may(p))
			err = search_block(s, addr, p, n, left);
	}
	return err;
}

/** Searches len bytes at a file offset, which are mapped at vaddr. */
static int search_part(struct search *s, uint64_t offset, uint64_t len, uint64_t vaddr)
{
	if (len > CODE_MAX)
		return -EFBIG;
	if (vaddr > ~0ull - 2 * CODE_MAX)
		return -EBADMSG; /* no program is mapped there, and addresses would wrap around */
	s->len = len;
	s->vaddr = vaddr;
	s->offset = offset;
	s->fn = (struct range){ 0 };
	s->scan->n = s->decoded->n = 0;
	return search_code(s);
}

/** Executable sections: a segment may hold constants too. *ret_n: how many there are. */
static int search_sections(struct search *s, size_t *ret_n)
{
	Elf_Scn *scn = NULL;
	GElf_Shdr sh;
	size_t n = 0;
	int err = 0;

	while (!err && (scn = elf_nextscn(s->elf, scn))) {
		if (!gelf_getshdr(scn, &sh) || sh.sh_type != SHT_PROGBITS ||
		    !(sh.sh_flags & SHF_EXECINSTR) || !(sh.sh_flags & SHF_ALLOC))
			continue;
		n++;
		err = search_part(s, sh.sh_offset, sh.sh_size, sh.sh_addr);
	}
	*ret_n = n;
	return err;
}

static int search_segments(struct search *s)
{
	size_t n = 0;
	GElf_Phdr ph;
	int err = 0;

	if (elf_getphdrnum(s->elf, &n))
		return -EBADMSG;
	for (size_t i = 0; i < n && !err; i++)
		if (gelf_getphdr(s->elf, i, &ph) && ph.p_type == PT_LOAD && ph.p_flags & PF_X)
			err = search_part(s, ph.p_offset, ph.p_filesz, ph.p_vaddr);
	return err;
}

static int search_elf(struct search *s)
{
	size_t n;
	int err;

	s->cfi = dwarf_getcfi_elf(s->elf);
	err = search_sections(s, &n);
	return err || n ? err : search_segments(s);
}

/** No ELF file: where its instructions begin isn't known. */
static int search_plain(struct search *s)
{
	struct stat st;

	if (fstat(s->fd, &st))
		return -errno;
	return search_part(s, 0, st.st_size, 0);
}

static int by_offset(const void *a, const void *b)
{
	const struct insn_site *x = a, *y = b;

	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static int search_file(struct search *s)
{
	GElf_Ehdr eh;

	s->scan = malloc(sizeof(*s->scan));
	s->decoded = malloc(sizeof(*s->decoded));
	if (!s->scan || !s->decoded)
		return -ENOMEM;
	elf_version(EV_CURRENT);
	s->elf = elf_begin(s->fd, ELF_C_READ, NULL);
	if (s->elf && elf_kind(s->elf) == ELF_K_ELF && gelf_getehdr(s->elf, &eh) &&
	    eh.e_machine == EM_X86_64)
		return search_elf(s);
	elf_end(s->elf);
	s->elf = NULL;
	return search_plain(s);
}

int insn_sites__find(int fd, struct insn_sites *ret)
{
	struct search s = { .fd = fd };
	int err;

	ZydisDecoderInit(&s.decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	err = search_file(&s);
	if (s.out.n)
		qsort(s.out.v, s.out.n, sizeof(*s.out.v), by_offset);
	if (s.cfi)
		dwarf_cfi_end(s.cfi);
	elf_end(s.elf);
	free(s.funcs);
	free(s.go);
	free(s.scan);
	free(s.decoded);
	if (err)
		insn_sites__free(&s.out);
	else
		*ret = s.out;
	return err;
}

size_t insn_sites__from(const struct insn_sites *s, uint64_t offset)
{
	size_t lo = 0, hi = s->n;

	while (lo < hi) {
		const size_t mid = (lo + hi) / 2;

		if (s->v[mid].offset < offset)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct insn_site *insn_sites__at(const struct insn_sites *s, uint64_t offset)
{
	const size_t i = insn_sites__from(s, offset);

	return i < s->n && s->v[i].offset == offset ? &s->v[i] : NULL;
}

bool insn_sites__is_tsc(const uint8_t *code, size_t len, uint8_t *ret_kind, uint8_t *ret_length)
{
	ZydisDecodedInstruction in;
	ZydisDecoder d;

	ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&d, NULL, code, len, &in)))
		return false;
	if (in.mnemonic != ZYDIS_MNEMONIC_RDTSC && in.mnemonic != ZYDIS_MNEMONIC_RDTSCP)
		return false;
	*ret_kind = in.mnemonic == ZYDIS_MNEMONIC_RDTSC ? INSN_RDTSC : INSN_RDTSCP;
	*ret_length = in.length;
	return true;
}

void insn_sites__free(struct insn_sites *s)
{
	free(s->v);
	*s = (struct insn_sites){ 0 };
}
