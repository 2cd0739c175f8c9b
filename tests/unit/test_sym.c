/* SPDX-License-Identifier: MIT */
/* Symbolised stacks and core files of a real process: the test program, started again as `PROGRAM deep` or `PROGRAM threads`,
 * stopped where it writes. Its functions have to be in .dynsym. libs: -lcmocka -rdynamic
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "sym/core.h"
#include "sym/stack.h"
#include "tracee/tracee.h"

#define NOINLINE __attribute__((noinline, noclone))

/* The chain of functions that a stack has to show. Exported, so that names are there without a file. */
int sym_outer(int how);
int sym_middle(int how);
int sym_inner(int how);

static void *wait_in_thread(void *arg)
{
	pthread_barrier_wait(arg);
	while (pause() < 0)
		;
	return NULL;
}

NOINLINE int sym_inner(int how)
{
	pthread_barrier_t both;
	pthread_t other;

	if (how == 't') {
		pthread_barrier_init(&both, NULL, 2);
		pthread_create(&other, NULL, wait_in_thread, &both);
		pthread_barrier_wait(&both);
	}
	syscall(SYS_write, -1L, "here", 4); /* the test stops it here */
	return how;
}

NOINLINE int sym_middle(int how)
{
	return sym_inner(how) + 1;
}

NOINLINE int sym_outer(int how)
{
	return sym_middle(how) + 1;
}

static bool no_plain(uint32_t nr)
{
	(void)nr;
	return false;
}

/* Waits for a stop of the process; signals are let through. */
static int next_stop(pid_t *ret)
{
	int status;

	*ret = waitpid(-1, &status, __WALL);
	assert_true(*ret > 0);
	return status;
}

/* At the entry of a call with this first argument (ANY: whatever it is). */
#define ANY 12345
static bool at_call(pid_t pid, int status, uint64_t nr, uint64_t arg)
{
	struct regs64 regs;

	return status >> 16 == PTRACE_EVENT_SECCOMP && !tracee__get_regs(pid, &regs) &&
	       regs.orig_rax == nr && (arg == ANY || regs.rdi == arg);
}

/* Starts `file ROLE` and runs it to its write(-1). With ret_other its second thread runs to its pause(). */
static pid_t start(const char *file, const char *role, pid_t *ret_other)
{
	char *argv[] = { (char *)file, (char *)role, NULL };
	const struct tracee_launch l = {
		.argv = argv, .envp = environ, .plain = no_plain, .nr_max = 512
	};
	pid_t pid, at, other = 0;
	bool here = false;

	assert_int_equal(tracee__launch(&l, NULL, NULL, &pid), 0);
	ptrace(PTRACE_CONT, pid, NULL, NULL);
	while (!here || (ret_other && !other)) {
		int status = next_stop(&at);
		if (!WIFSTOPPED(status))
			fail_msg("ended: status %x", (unsigned int)status);
		if (at == pid && at_call(at, status, SYS_write, ~0ull))
			here = true;
		else if (at != pid && at_call(at, status, SYS_pause, ANY))
			other = at;
		else
			ptrace(PTRACE_CONT, at, NULL, NULL);
	}
	if (ret_other)
		*ret_other = other;
	return pid;
}

static void destroy(pid_t pid)
{
	int status = 0;
	pid_t at;

	kill(pid, SIGKILL);
	do {
		at = waitpid(-1, &status, __WALL);
		if (at > 0 && WIFSTOPPED(status))
			ptrace(PTRACE_CONT, at, NULL, NULL); /* stops at exit too */
	} while (at > 0 && (at != pid || WIFSTOPPED(status)));
}

static ssize_t read_tracee(void *ctx, uint64_t addr, void *buf, size_t len)
{
	return tracee__read(*(pid_t *)ctx, addr, buf, len);
}

/* A walk over a tracee's mappings, seen as a sym_source wants it. */
struct walk {
	sym_map_fn fn;
	void *arg;
};

static int pass_map(void *ctx, const struct tracee_map *m)
{
	const struct walk *w = ctx;
	const struct sym_map map = { m->start, m->end, m->offset, m->prot, m->path };

	return w->fn(w->arg, &map);
}

static int each_map(void *ctx, sym_map_fn fn, void *arg)
{
	struct walk w = { fn, arg };

	return tracee__maps(*(pid_t *)ctx, pass_map, &w);
}

/* What a stack was, as text. */
struct seen {
	char text[8192];
	unsigned int n;
	char build_id[65]; /* of the frame in sym_inner */
};

static void take(void *arg, const struct sym_frame *f)
{
	struct seen *s = arg;
	size_t at = strlen(s->text);

	snprintf(s->text + at, sizeof(s->text) - at, "%s ", *f->function ? f->function : "?");
	if (!strcmp(f->function, "sym_inner"))
		snprintf(s->build_id, sizeof(s->build_id), "%s", f->build_id);
	s->n++;
}

static struct seen stack_of(pid_t pid, struct sym_source *src)
{
	struct seen s = { 0 };
	struct regs64 regs;

	assert_int_equal(tracee__get_regs(pid, &regs), 0);
	unsigned int n = sym__stack(src, &regs, SYM_DEPTH_MAX, take, &s);
	assert_int_equal(n, s.n);
	return s;
}

static void assert_in_order(const char *text, const char *const *names)
{
	const char *at = text;

	for (; *names; names++) {
		at = strstr(at, *names);
		if (!at)
			fail_msg("no %s (in this order) in: %s", *names, text);
	}
}

static const char *const chain[] = { "syscall ", "sym_inner ", "sym_middle ", "sym_outer ", NULL };

static void names_what_runs(void **state)
{
	pid_t pid = start("/proc/self/exe", "deep", NULL);
	struct sym_source src = { .read = read_tracee, .each_map = each_map, .ctx = &pid };
	struct seen s = stack_of(pid, &src);

	(void)state;
	assert_in_order(s.text, chain);
	assert_non_null(strstr(s.text, "main ")); /* not exported: from the file */
	assert_int_equal(strlen(s.build_id), 40);
	destroy(pid);
}

static void copy_self(const char *to)
{
	char buf[65536];
	ssize_t n;
	int in = open("/proc/self/exe", O_RDONLY), out = open(to, O_WRONLY | O_CREAT, 0700);

	assert_true(in >= 0 && out >= 0);
	while ((n = read(in, buf, sizeof(buf))) > 0)
		assert_int_equal(write(out, buf, (size_t)n), n);
	close(in);
	close(out);
}

/* Paths as they would be in a chroot: none of the files is there. */
static int map_elsewhere(void *ctx, const struct tracee_map *m)
{
	const struct walk *w = ctx;
	char path[4200];
	const struct sym_map map = { m->start, m->end, m->offset, m->prot, path };

	snprintf(path, sizeof(path), "%s%s", *m->path == '/' ? "/nonexistent" : "", m->path);
	return w->fn(w->arg, &map);
}

static int each_map_elsewhere(void *ctx, sym_map_fn fn, void *arg)
{
	struct walk w = { fn, arg };

	return tracee__maps(*(pid_t *)ctx, map_elsewhere, &w);
}

static void needs_no_files(void **state)
{
	char path[] = "/tmp/test-sym-XXXXXX", file[64];

	(void)state;
	assert_non_null(mkdtemp(path));
	snprintf(file, sizeof(file), "%s/copy", path);
	copy_self(file);
	pid_t pid = start(file, "deep", NULL);
	struct sym_source src = { .read = read_tracee,
				  .each_map = each_map_elsewhere,
				  .ctx = &pid };
	unlink(file);
	rmdir(path);
	struct seen s = stack_of(pid, &src);
	assert_in_order(s.text, chain);
	assert_int_equal(strlen(s.build_id), 40);
	assert_null(strstr(s.text, "take_frame ")); /* static ones have no name without the file */
	destroy(pid);
}

/* Memory that lies: bytes at multiples of a number are others. */
struct liar {
	pid_t pid;
	unsigned int seed, one_in;
};

static ssize_t read_lies(void *ctx, uint64_t addr, void *buf, size_t len)
{
	struct liar *l = ctx;
	ssize_t n = tracee__read(l->pid, addr, buf, len);

	for (ssize_t i = 0; i < n; i++) {
		uint64_t x = (addr + (uint64_t)i + l->seed) * 0x9e3779b97f4a7c15ull;
		if ((x >> 32) % l->one_in == 0)
			((unsigned char *)buf)[i] ^= (unsigned char)(x >> 56);
	}
	return n;
}

static void survives_garbage(void **state)
{
	static const unsigned int rates[] = { 20, 200, 2000, 20000 };
	struct liar l = { .pid = start("/proc/self/exe", "deep", NULL) };
	struct sym_source src = { .read = read_lies, .each_map = each_map_elsewhere, .ctx = &l };
	struct regs64 regs;

	(void)state;
	assert_int_equal(tracee__get_regs(l.pid, &regs), 0);
	for (l.seed = 0; l.seed < 40; l.seed++) {
		struct seen s = { 0 };
		l.one_in = rates[l.seed % 4];
		unsigned int n = sym__stack(&src, &regs, 1000, take, &s);
		assert_in_range(n, 1, SYM_DEPTH_MAX);
		assert_int_equal(n, s.n);
	}
	destroy(l.pid);
}

static ssize_t read_nothing(void *ctx, uint64_t addr, void *buf, size_t len)
{
	(void)ctx, (void)addr, (void)buf, (void)len;
	return -EFAULT;
}

static int no_maps(void *ctx, sym_map_fn fn, void *arg)
{
	(void)ctx, (void)fn, (void)arg;
	return 0;
}

static void the_place_alone_is_an_answer(void **state)
{
	const struct sym_source src = { .read = read_nothing, .each_map = no_maps, .ctx = NULL };
	const struct regs64 regs = { .rip = 0x1234, .rsp = 0x5678, .rbp = ~0ull };
	struct seen s = { 0 };

	(void)state;
	assert_int_equal(sym__stack(&src, &regs, 0, take, &s), 1);
	assert_string_equal(s.text, "? ");
}

/* A call of address 0: the caller is found all the same. */
static void calls_into_nowhere(void **state)
{
	pid_t pid = start("/proc/self/exe", "deep", NULL);
	struct sym_source src = { .read = read_tracee, .each_map = each_map, .ctx = &pid };
	struct seen s = { 0 };
	struct regs64 regs;

	(void)state;
	/* at the call instruction in syscall(), the return address is on top of the stack */
	assert_int_equal(tracee__get_regs(pid, &regs), 0);
	regs.rip = 0;
	sym__stack(&src, &regs, SYM_DEPTH_MAX, take, &s);
	assert_in_order(s.text, (const char *const[]){ "? ", "sym_inner ", "sym_middle ", NULL });
	destroy(pid);
}

/* Runs a command, its output into buf; -1: it isn't installed. */
static int run_tool(const char *command, char *buf, size_t room)
{
	FILE *f = popen(command, "r");
	size_t n = fread(buf, 1, room - 1, f);

	buf[n] = '\0';
	while (fgetc(f) != EOF)
		;
	int status = pclose(f);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* A core file of a stopped process with two threads. */
struct cored {
	char dir[32], path[64];
	pid_t pid, other;
	struct core_thread thread[2];
	unsigned char xstate[2][16384];
	unsigned char auxv[1024];
	struct core_process p;
	struct sym_source src;
};

static void make_core(struct cored *c)
{
	siginfo_t info = { .si_signo = SIGSEGV };

	strcpy(c->dir, "/tmp/test-sym-XXXXXX");
	assert_non_null(mkdtemp(c->dir));
	snprintf(c->path, sizeof(c->path), "%s/core", c->dir);
	c->pid = start("/proc/self/exe", "threads", &c->other);
	for (int i = 0; i < 2; i++) {
		c->thread[i].tid = (uint32_t)(i ? c->other : c->pid);
		c->thread[i].xstate = c->xstate[i];
		c->thread[i].len = sizeof(c->xstate[i]);
		assert_int_equal(tracee__get_regs((pid_t)c->thread[i].tid, &c->thread[i].regs), 0);
		assert_int_equal(tracee__get_xstate((pid_t)c->thread[i].tid, c->xstate[i],
						    &c->thread[i].len),
				 0);
	}
	char file[64];
	snprintf(file, sizeof(file), "/proc/%d/auxv", c->pid);
	int fd = open(file, O_RDONLY);
	ssize_t n = read(fd, c->auxv, sizeof(c->auxv));
	assert_true(n > 0);
	close(fd);
	c->p = (struct core_process){
		.pid = (uint32_t)c->pid,
		.name = "/x/test_sym",
		.command = "test_sym threads",
		.thread = c->thread,
		.nthreads = 2,
		.auxv = c->auxv,
		.auxv_len = (size_t)n,
		.signo = SIGSEGV,
		.siginfo = &info,
	};
	c->src = (struct sym_source){ .read = read_tracee, .each_map = each_map, .ctx = &c->pid };
	assert_int_equal(sym__write_core(c->path, &c->src, &c->p), 0);
}

static void end_core(struct cored *c)
{

	unlink(c->path);
	rmdir(c->dir);
	destroy(c->pid);
}

static void core_is_private_and_new(void **state)
{
	static struct cored c;
	struct stat st;
	char to[80];

	(void)state;
	make_core(&c);
	assert_int_equal(stat(c.path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_true(st.st_blocks * 512 < st.st_size || st.st_size < 65536); /* holes */
	assert_int_equal(sym__write_core(c.path, &c.src, &c.p), -EEXIST);
	snprintf(to, sizeof(to), "%s/link", c.dir);
	assert_int_equal(symlink("nowhere", to), 0);
	assert_true(sym__write_core(to, &c.src, &c.p) < 0);
	unlink(to);
	snprintf(to, sizeof(to), "%s/nowhere", c.dir);
	assert_int_equal(access(to, F_OK), -1);
	end_core(&c);
}

/* Every readable byte of the process is in the file at the place that the headers say. */
static int compare_map(void *arg, const struct sym_map *map)
{
	if (map->end - map->addr > 1ull << 30)
		return 0; /* a sanitizer's */
	char *mine = malloc(map->end - map->addr), *theirs;
	struct cored *c = arg;
	ssize_t n = map->prot ? tracee__read(c->pid, map->addr, mine, map->end - map->addr) : 0;
	int fd = open(c->path, O_RDONLY);
	Elf64_Ehdr e;
	Elf64_Phdr p = { 0 };

	assert_int_equal(pread(fd, &e, sizeof(e), 0), sizeof(e));
	for (unsigned int i = 0; i < e.e_phnum && (p.p_type != PT_LOAD || p.p_vaddr != map->addr);
	     i++)
		assert_int_equal(pread(fd, &p, sizeof(p), (off_t)(e.e_phoff + i * sizeof(p))),
				 sizeof(p));
	assert_int_equal(p.p_vaddr, map->addr);
	assert_int_equal(p.p_memsz, map->end - map->addr);
	if (n > 0) {
		theirs = malloc((size_t)n);
		assert_int_equal(pread(fd, theirs, (size_t)n, (off_t)p.p_offset), n);
		assert_memory_equal(mine, theirs, n);
		free(theirs);
	} else {
		assert_int_equal(p.p_filesz, 0);
	}
	close(fd);
	free(mine);
	return 0;
}

static void core_holds_the_memory(void **state)
{
	static struct cored c;

	(void)state;
	make_core(&c);
	assert_int_equal(each_map(&c.pid, compare_map, &c), 0);
	end_core(&c);
}

static void readelf_reads_the_notes(void **state)
{
	static struct cored c;
	static char out[1 << 17];
	char command[128];

	(void)state;
	if (run_tool("readelf --version 2>/dev/null", out, sizeof(out)))
		skip();
	make_core(&c);
	snprintf(command, sizeof(command), "readelf -nlW %s 2>&1", c.path);
	assert_int_equal(run_tool(command, out, sizeof(out)), 0);
	assert_in_order(out, (const char *const[]){
				     "CORE (Core file)", "NT_PRSTATUS", "NT_PRPSINFO", "NT_SIGINFO",
				     "NT_AUXV", "NT_FILE", "NT_FPREGSET", "NT_X86_XSTATE",
				     "NT_PRSTATUS", "NT_FPREGSET", "NT_X86_XSTATE", NULL });
	assert_null(strstr(out, "arning"));
	end_core(&c);
}

static void gdb_opens_it(void **state)
{
	static struct cored c;
	static char out[1 << 17];
	char command[512], exe[256], want[64];

	(void)state;
	if (run_tool("gdb --version 2>/dev/null", out, sizeof(out)))
		skip();
	make_core(&c);
	exe[readlink("/proc/self/exe", exe, sizeof(exe) - 1)] = '\0';
	snprintf(
		command, sizeof(command),
		"gdb -nx -batch -ex 'info threads' -ex bt -ex 'info registers rip rsp r12 fs_base' "
		"-ex 'thread 2' -ex bt -ex 'info auxv' -ex 'info proc mappings' %s %s 2>&1",
		exe, c.path);
	assert_int_equal(run_tool(command, out, sizeof(out)), 0);
	assert_in_order(out, (const char *const[]){ "SIGSEGV", "LWP ", "LWP ", "sym_inner (",
						    "sym_middle (", "sym_outer (", "main ", "rip ",
						    "pause", "wait_in_thread", "AT_SYSINFO_EHDR",
						    "libc.so", NULL });
	snprintf(want, sizeof(want), "0x%lx", (unsigned long)c.thread[0].regs.rsp);
	assert_non_null(strstr(out, want));
	snprintf(want, sizeof(want), "0x%lx", (unsigned long)c.thread[0].regs.rip);
	assert_non_null(strstr(out, want));
	snprintf(want, sizeof(want), "0x%lx", (unsigned long)c.thread[0].regs.fs_base);
	assert_non_null(strstr(out, want));
	end_core(&c);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_what_runs),
		cmocka_unit_test(needs_no_files),
		cmocka_unit_test(survives_garbage),
		cmocka_unit_test(the_place_alone_is_an_answer),
		cmocka_unit_test(calls_into_nowhere),
		cmocka_unit_test(core_is_private_and_new),
		cmocka_unit_test(core_holds_the_memory),
		cmocka_unit_test(readelf_reads_the_notes),
		cmocka_unit_test(gdb_opens_it),
	};

	if (argc > 1) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		return sym_outer(argv[1][0]);
	}
	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
