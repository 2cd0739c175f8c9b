/* SPDX-License-Identifier: MIT */
/*
 * core.c: writes ELF core files as the kernel lays them out (man 5 core, man 5 elf).
 *
 * The file: ELF header, one program header for the notes and one for each mapping, the notes, then the contents, each mapping
 * at a multiple of the page size. A mapping that can't be read has no contents; pages of zeros are left out as holes, so the
 * file takes no more room than the process did.
 */
#include "sym/core.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/procfs.h>
#include <unistd.h>

#include "sym/image.h"
#include "util/err.h"

#define PAGE  4096ull
#define CHUNK (64 * PAGE)
/* Larger mappings are room that is hardly used, like the shadow of a sanitizer: reading them would take hours. */
#define CONTENTS_MAX (16ull << 30)
#define FXSAVE	     512 /* bytes of the legacy area of an extended state: user_fpregs_struct */
#define COMM_MAX     16

static_assert(sizeof(elf_gregset_t) == sizeof(struct regs64), "elf_gregset_t");

/* A growing run of bytes. */
struct bytes {
	char *at;
	size_t len, room;
	bool failed; /* no memory: what is in it is worth nothing */
};

/* A core file being written. */
struct core {
	int fd;
	const struct sym_source *src;
	struct sym_maps maps;
	struct bytes notes;
	Elf64_Phdr *phdr; /* of the notes, then of the maps */
};

static void add_bytes(struct bytes *b, const void *from, size_t len)
{
	if (b->failed || !len)
		return;
	if (b->len + len > b->room) {
		size_t room = 2 * (b->len + len);
		char *more = realloc(b->at, room);
		if (!more) {
			b->failed = true;
			return;
		}
		b->at = more;
		b->room = room;
	}
	memcpy(b->at + b->len, from, len);
	b->len += len;
}

static void add_note(struct bytes *b, const char *owner, uint32_t type, const void *desc,
		     size_t len)
{
	const Elf64_Nhdr head = { (Elf64_Word)strlen(owner) + 1, (Elf64_Word)len, type };
	static const char zeros[8];

	add_bytes(b, &head, sizeof(head));
	add_bytes(b, owner, head.n_namesz);
	add_bytes(b, zeros, -head.n_namesz & 3);
	add_bytes(b, desc, len);
	add_bytes(b, zeros, -len & 3);
}

static void note_prstatus(struct bytes *b, const struct core_process *p,
			  const struct core_thread *t)
{
	struct elf_prstatus s = { 0 };

	s.pr_pid = (pid_t)t->tid;
	s.pr_ppid = (pid_t)p->ppid;
	s.pr_pgrp = s.pr_sid = (pid_t)p->pid;
	s.pr_info.si_signo = p->signo; /* in all threads: readers take the last one's */
	s.pr_cursig = (short)p->signo;
	s.pr_fpvalid = t->xstate && t->len >= FXSAVE;
	memcpy(&s.pr_reg, &t->regs, sizeof(t->regs));
	add_note(b, "CORE", NT_PRSTATUS, &s, sizeof(s));
}

static void note_xstate(struct bytes *b, const struct core_thread *t)
{
	if (!t->xstate || t->len < FXSAVE)
		return;
	add_note(b, "CORE", NT_FPREGSET, t->xstate, FXSAVE);
	if (t->len > FXSAVE)
		add_note(b, "LINUX", NT_X86_XSTATE, t->xstate, t->len);
}

static void note_prpsinfo(struct bytes *b, const struct core_process *p)
{
	struct elf_prpsinfo s = { 0 };
	const char *name = p->name ? p->name : "", *slash = strrchr(name, '/');

	s.pr_sname = 'R';
	s.pr_pid = (pid_t)p->pid;
	s.pr_ppid = (pid_t)p->ppid;
	s.pr_pgrp = s.pr_sid = (pid_t)p->pid;
	s.pr_uid = p->uid;
	s.pr_gid = p->gid;
	name = slash ? slash + 1 : name;
	memcpy(s.pr_fname, name, strnlen(name, COMM_MAX - 1));
	if (p->command)
		memcpy(s.pr_psargs, p->command, strnlen(p->command, ELF_PRARGSZ - 1));
	add_note(b, "CORE", NT_PRPSINFO, &s, sizeof(s));
}

/* Names like [heap] are no files. */
static bool has_file(const struct sym_map *m)
{
	return *m->path == '/';
}

/* NT_FILE: count, page size, then start, end and offset in pages of each mapping, then the names. */
static void note_file(struct bytes *b, const struct sym_maps *maps)
{
	struct bytes d = { 0 };
	uint64_t head[2] = { 0, PAGE };

	add_bytes(&d, head, sizeof(head));
	for (size_t i = 0; i < maps->n; i++) {
		const struct sym_map *m = &maps->map[i];
		const uint64_t row[3] = { m->addr, m->end, m->offset / PAGE };
		if (!has_file(m))
			continue;
		head[0]++;
		add_bytes(&d, row, sizeof(row));
	}
	for (size_t i = 0; i < maps->n; i++) {
		if (has_file(&maps->map[i]))
			add_bytes(&d, maps->map[i].path, strlen(maps->map[i].path) + 1);
	}
	if (d.failed)
		b->failed = true;
	else
		memcpy(d.at, head, sizeof(head));
	if (head[0])
		add_note(b, "CORE", NT_FILE, d.at, d.len);
	free(d.at);
}

/* In the kernel's order: what belongs to the process stands after the first thread's status. */
static int make_notes(struct core *c, const struct core_process *p)
{
	struct bytes *b = &c->notes;

	for (size_t i = 0; i < p->nthreads; i++) {
		note_prstatus(b, p, &p->thread[i]);
		if (i == 0) {
			note_prpsinfo(b, p);
			if (p->siginfo)
				add_note(b, "CORE", NT_SIGINFO, p->siginfo, sizeof(siginfo_t));
			if (p->auxv_len)
				add_note(b, "CORE", NT_AUXV, p->auxv, p->auxv_len);
			note_file(b, &c->maps);
		}
		note_xstate(b, &p->thread[i]);
	}
	return b->failed || b->len > UINT32_MAX ? -ENOMEM : 0;
}

/* There is something to read in a mapping. PROT_NONE is taken for room that is kept free. */
static bool is_readable(const struct core *c, const struct sym_map *m)
{
	char byte;

	return m->prot && m->end - m->addr <= CONTENTS_MAX &&
	       c->src->read(c->src->ctx, m->addr, &byte, 1) == 1;
}

static uint32_t segment_flags(uint32_t prot)
{
	return (prot & PROT_READ ? PF_R : 0u) | (prot & PROT_WRITE ? PF_W : 0u) |
	       (prot & PROT_EXEC ? PF_X : 0u);
}

static int make_headers(struct core *c)
{
	size_t n = c->maps.n + 1;
	uint64_t at = sizeof(Elf64_Ehdr) + n * sizeof(Elf64_Phdr);

	c->phdr = calloc(n, sizeof(*c->phdr));
	if (!c->phdr)
		return -ENOMEM;
	if (n >= PN_XNUM)
		return -E2BIG;
	c->phdr[0] = (Elf64_Phdr){
		.p_type = PT_NOTE, .p_offset = at, .p_filesz = c->notes.len, .p_align = 4
	};
	at = (at + c->notes.len + PAGE - 1) & -PAGE;
	for (size_t i = 0; i < c->maps.n; i++) {
		const struct sym_map *m = &c->maps.map[i];
		uint64_t len = m->end - m->addr, stored = is_readable(c, m) ? len : 0;
		c->phdr[i + 1] = (Elf64_Phdr){
			.p_type = PT_LOAD,
			.p_flags = segment_flags(m->prot),
			.p_offset = at,
			.p_vaddr = m->addr,
			.p_filesz = stored,
			.p_memsz = len,
			.p_align = PAGE,
		};
		at += stored;
	}
	return ftruncate(c->fd, (off_t)at) ? -errno : 0;
}

static int write_at(int fd, const void *from, size_t len, uint64_t at)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = pwrite(fd, (const char *)from + done, len - done, (off_t)(at + done));
		if (n < 0 && errno != EINTR)
			return -errno;
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* Writes the pages that aren't all zeros, runs of them at once. */
static int write_pages(int fd, const char *from, size_t len, uint64_t at)
{
	static const char zeros[PAGE];

	for (size_t i = 0, end; i < len; i = end) {
		bool zero = !memcmp(from + i, zeros, PAGE);
		for (end = i + PAGE; end < len; end += PAGE) {
			if (!memcmp(from + end, zeros, PAGE) != zero)
				break;
		}
		int err = zero ? 0 : write_at(fd, from + i, end - i, at + i);
		if (err)
			return err;
	}
	return 0;
}

static int write_segment(struct core *c, const Elf64_Phdr *p, char *buf)
{
	for (uint64_t done = 0; done < p->p_filesz;) {
		uint64_t left = p->p_filesz - done;
		ssize_t n = c->src->read(c->src->ctx, p->p_vaddr + done, buf,
					 left < CHUNK ? left : CHUNK);
		size_t pages = n < 0 ? 0 : (size_t)n & -PAGE;
		int err = write_pages(c->fd, buf, pages, p->p_offset + done);
		if (err)
			return err;
		done += pages ? pages : PAGE; /* one page that can't be read is a hole */
	}
	return 0;
}

static int write_contents(struct core *c)
{
	char *buf = malloc(CHUNK);
	int err = buf ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < c->maps.n; i++)
		err = write_segment(c, &c->phdr[i + 1], buf);
	free(buf);
	return err;
}

static int write_heads(struct core *c)
{
	size_t n = c->maps.n + 1;
	const Elf64_Ehdr e = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
			     EV_CURRENT },
		.e_type = ET_CORE,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(Elf64_Ehdr),
		.e_ehsize = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = (Elf64_Half)n,
	};
	int err = write_at(c->fd, &e, sizeof(e), 0);

	if (!err)
		err = write_at(c->fd, c->phdr, n * sizeof(*c->phdr), e.e_phoff);
	if (!err)
		err = write_at(c->fd, c->notes.at, c->notes.len, c->phdr[0].p_offset);
	return err;
}

static int write_core(struct core *c, const struct core_process *p)
{
	int err = sym_maps__read(&c->maps, c->src);

	if (!err)
		err = make_notes(c, p);
	if (!err)
		err = make_headers(c);
	if (!err)
		err = write_contents(c);
	if (!err)
		err = write_heads(c);
	return err;
}

int sym__write_core(const char *path, const struct sym_source *src, const struct core_process *p)
{
	struct core c = { .src = src };
	int err;

	if (!p->nthreads)
		return err__set(-EINVAL, "a core file needs a thread");
	c.fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (c.fd < 0)
		return err__set(-errno, "can't make the core file %s: %s", path, strerror(errno));
	err = write_core(&c, p);
	if (close(c.fd) && !err)
		err = -errno;
	if (err) {
		unlink(path);
		err__set(err, "can't write the core file %s: %s", path, strerror(-err));
	}
	free(c.phdr);
	free(c.notes.at);
	sym_maps__free(&c.maps);
	return err;
}
