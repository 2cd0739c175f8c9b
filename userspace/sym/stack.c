/* SPDX-License-Identifier: MIT */
/*
 * stack.c: unwinds a stack with libdwfl, and names what is found.
 *
 * The ELF files are put together from the process's memory (image.c), so neither /proc nor the files are needed; a source
 * that has the files themselves gives those. Frames come from the unwind tables; where these end too early, from frame
 * pointers (libdwfl follows them by itself where a function has no table). Memory and tables may be garbage: the number of
 * frames and of reads is bounded, and a caller must lie in code.
 */
#include "sym/stack.h"

#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sym/image.h"

#define THREAD	  1 /* any number: there is one thread */
#define READS_MAX 100000

/* A frame before it has a name. */
struct place {
	uint64_t pc;
	bool exact; /* pc is an instruction that is at work, not one that a call returns to */
	enum sym_how how;
};

/* A module: an image, and what was opened for it. */
struct module {
	const struct sym_source *src;
	struct sym_image image;
	char *bytes;	   /* of the file put together from memory */
	Elf *memory;	   /* over these bytes */
	bool given;	   /* libdwfl has it and will free it */
	char build_id[65]; /* "" until opened */
};

/* A stack being unwound. */
struct unwind {
	const struct sym_source *src;
	struct sym_maps maps;
	struct module *module; /* one for each image */
	size_t nmodules;
	Dwfl *dwfl;	    /* NULL: there is no image */
	struct regs64 regs; /* rip, rsp and rbp of the last frame found */
	bool caller;	    /* these are of a frame that called */
	struct place at[SYM_DEPTH_MAX];
	unsigned int n, max; /* frames found, and wanted */
	unsigned int reads;  /* words of memory */
};

static bool read_word(struct unwind *u, uint64_t addr, uint64_t *ret)
{
	return u->reads++ < READS_MAX &&
	       u->src->read(u->src->ctx, addr, ret, sizeof(*ret)) == (ssize_t)sizeof(*ret);
}

/* The file that the source has. */
static int open_elf(struct module *m, Elf **elf)
{
	int fd = m->src->open(m->src->ctx, m->image.low);

	*elf = fd < 0 ? NULL : elf_begin(fd, ELF_C_READ_MMAP, NULL);
	if (*elf) {
		sym_image__build_id(*elf, m->build_id, sizeof(m->build_id));
		return fd;
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

/* libdwfl wants the file of a module: the one on disk if it is the same, for it has more symbols. */
static int find_elf(Dwfl_Module *mod, void **userdata, const char *name, Dwarf_Addr base,
		    char **file_name, Elf **elf)
{
	struct module *m = *userdata;

	(void)mod, (void)name, (void)base, (void)file_name;
	if (!m || m->memory)
		return -1;
	if (m->src->open)
		return open_elf(m, elf);
	m->memory = sym_image__from_memory(&m->image, m->src, &m->bytes);
	if (!m->memory)
		return -1;
	sym_image__build_id(m->memory, m->build_id, sizeof(m->build_id));
	int fd = sym_image__from_file(&m->image, m->memory, elf);
	if (fd < 0) {
		*elf = m->memory;
		m->given = true;
	}
	return fd;
}

/* No files but that of the module: no search, no network. */
static int find_debuginfo(Dwfl_Module *mod, void **userdata, const char *name, Dwarf_Addr base,
			  const char *file, const char *link, GElf_Word crc, char **ret)
{
	(void)mod, (void)userdata, (void)name, (void)base;
	(void)file, (void)link, (void)crc, (void)ret;
	return -1;
}

static const Dwfl_Callbacks callbacks = {
	.find_elf = find_elf,
	.find_debuginfo = find_debuginfo,
};

/* Finds the images, which don't overlap. */
static void find_modules(struct unwind *u)
{
	uint64_t high = 0;

	u->module = calloc(u->maps.n ? u->maps.n : 1, sizeof(*u->module));
	for (size_t i = 0; u->module && i < u->maps.n; i++) {
		struct module *m = &u->module[u->nmodules];
		if (u->maps.map[i].addr < high || !sym_image__find(&m->image, u->src, &u->maps, i))
			continue;
		m->src = u->src;
		high = m->image.high;
		u->nmodules++;
	}
}

static void report_modules(struct unwind *u)
{
	u->dwfl = dwfl_begin(&callbacks);
	if (!u->dwfl)
		return;
	dwfl_report_begin(u->dwfl);
	for (size_t i = 0; i < u->nmodules; i++) {
		struct module *m = &u->module[i];
		Dwfl_Module *mod =
			dwfl_report_module(u->dwfl, m->image.path, m->image.low, m->image.high);
		void **userdata;
		if (mod && dwfl_module_info(mod, &userdata, NULL, NULL, NULL, NULL, NULL, NULL))
			*userdata = m;
	}
	dwfl_report_end(u->dwfl, NULL, NULL);
}

static pid_t next_thread(Dwfl *dwfl, void *arg, void **thread_arg)
{
	(void)dwfl;
	if (*thread_arg)
		return 0;
	*thread_arg = arg;
	return THREAD;
}

static bool memory_read(Dwfl *dwfl, Dwarf_Addr addr, Dwarf_Word *ret, void *arg)
{
	(void)dwfl;
	return read_word(arg, addr, ret);
}

/* Numbers of registers in DWARF: System V ABI, x86-64 supplement, figure 3.36. */
static bool set_registers(Dwfl_Thread *thread, void *arg)
{
	const struct regs64 *r = &((struct unwind *)arg)->regs;
	const Dwarf_Word words[17] = { r->rax, r->rdx, r->rcx, r->rbx, r->rsi, r->rdi,
				       r->rbp, r->rsp, r->r8,  r->r9,  r->r10, r->r11,
				       r->r12, r->r13, r->r14, r->r15, r->rip };

	return dwfl_thread_state_registers(thread, 0, 17, words);
}

static const Dwfl_Thread_Callbacks thread_callbacks = {
	.next_thread = next_thread,
	.memory_read = memory_read,
	.set_initial_registers = set_registers,
};

static bool add_place(struct unwind *u, uint64_t pc, bool exact, enum sym_how how)
{
	if (u->n >= u->max || (u->n && !sym_maps__is_code(&u->maps, pc - !exact)))
		return false;
	u->at[u->n] = (struct place){ pc, exact, u->n ? how : SYM_PLACE };
	u->n++;
	return true;
}

/* How libdwfl goes on from a frame: it doesn't say. */
static enum sym_how way_from(struct unwind *u, const struct place *p)
{
	const uint64_t addr = p->pc - !p->exact;
	Dwfl_Module *mod = dwfl_addrmodule(u->dwfl, addr);
	Dwarf_Addr bias = 0;
	Dwarf_CFI *cfi = mod ? dwfl_module_eh_cfi(mod, &bias) : NULL;
	Dwarf_Frame *frame;

	if (!cfi || dwarf_cfi_addrframe(cfi, addr - bias, &frame))
		return SYM_POINTER;
	free(frame);
	return SYM_TABLES;
}

static int take_frame(Dwfl_Frame *frame, void *arg)
{
	struct unwind *u = arg;
	Dwarf_Word rbp, rsp;
	Dwarf_Addr pc;
	bool exact;

	const enum sym_how how = u->n ? way_from(u, &u->at[u->n - 1]) : SYM_PLACE;

	if (!dwfl_frame_pc(frame, &pc, &exact) || !add_place(u, pc, exact && !u->caller, how))
		return DWARF_CB_ABORT;
	u->caller = false;
	u->regs.rbp = dwfl_frame_reg(frame, 6, &rbp) ? 0 : rbp;
	u->regs.rsp = dwfl_frame_reg(frame, 7, &rsp) ? 0 : rsp;
	return DWARF_CB_OK;
}

/* A call of something that is no code: its caller is where the call would have returned to. */
static void step_out_of_nowhere(struct unwind *u)
{
	uint64_t pc;

	if (sym_maps__is_code(&u->maps, u->regs.rip) || !read_word(u, u->regs.rsp, &pc) ||
	    !sym_maps__is_code(&u->maps, pc - 1))
		return;
	add_place(u, u->regs.rip, true, SYM_PLACE);
	u->regs.rip = pc;
	u->regs.rsp += 8;
	u->caller = true;
}

/* Goes on from the last frame by frame pointers: each frame lies above the one it called. */
static void follow_frame_pointers(struct unwind *u)
{
	uint64_t rbp = u->regs.rbp, low = u->regs.rsp, next, pc;

	while (rbp >= low && rbp % 8 == 0 && read_word(u, rbp, &next) &&
	       read_word(u, rbp + 8, &pc) && add_place(u, pc, false, SYM_POINTER)) {
		low = rbp + 16;
		rbp = next;
	}
}

static void find_places(struct unwind *u)
{
	unsigned int before;
	int err = -1;

	step_out_of_nowhere(u);
	before = u->n;
	if (u->dwfl && dwfl_attach_state(u->dwfl, NULL, THREAD, &thread_callbacks, u))
		err = dwfl_getthread_frames(u->dwfl, THREAD, take_frame, u);
	if (u->n == before)
		add_place(u, u->regs.rip, !u->caller, SYM_POINTER);
	if (err < 0)
		follow_frame_pointers(u);
}

static struct module *module_at(struct unwind *u, uint64_t addr)
{
	for (size_t i = 0; i < u->nmodules; i++) {
		if (addr >= u->module[i].image.low && addr < u->module[i].image.high)
			return &u->module[i];
	}
	return NULL;
}

static void name_place(struct unwind *u, const struct place *p, sym_frame_fn fn, void *arg)
{
	uint64_t addr = p->pc - !p->exact;
	struct sym_frame f = {
		.pc = p->pc, .function = "", .path = "", .build_id = "", .how = p->how
	};
	const struct sym_map *map = sym_maps__at(&u->maps, addr);
	Dwfl_Module *mod = u->dwfl ? dwfl_addrmodule(u->dwfl, addr) : NULL;
	const struct module *m = module_at(u, addr);
	GElf_Off offset = 0;
	GElf_Sym sym;

	if (map) {
		f.path = map->path;
		f.offset = map->offset + (p->pc - map->addr);
	}
	const char *name =
		mod ? dwfl_module_addrinfo(mod, addr, &offset, &sym, NULL, NULL, NULL) : NULL;
	if (name) {
		f.function = name;
		f.offset = offset + (p->pc - addr);
	}
	if (m)
		f.build_id = m->build_id;
	fn(arg, &f);
}

static void end_unwind(struct unwind *u)
{
	if (u->dwfl)
		dwfl_end(u->dwfl);
	for (size_t i = 0; i < u->nmodules; i++) {
		if (!u->module[i].given)
			elf_end(u->module[i].memory);
		free(u->module[i].bytes);
	}
	free(u->module);
	sym_maps__free(&u->maps);
}

unsigned int sym__stack(const struct sym_source *src, const struct regs64 *regs, unsigned int depth,
			sym_frame_fn fn, void *arg)
{
	struct unwind u = { .src = src, .regs = *regs };

	u.max = !depth ? 1 : depth < SYM_DEPTH_MAX ? depth : SYM_DEPTH_MAX;
	elf_version(EV_CURRENT);
	if (!sym_maps__read(&u.maps, src)) {
		find_modules(&u);
		report_modules(&u);
	}
	find_places(&u);
	for (unsigned int i = 0; i < u.n; i++)
		name_place(&u, &u.at[i], fn, arg);
	end_unwind(&u);
	return u.n;
}
