// SPDX-License-Identifier: MIT
/*
 * about.c: what is known of outsiders, by process and image.
 *
 * A process is looked at in /proc when it is first told of: if it is still there, all its code is known, and the very files
 * (/proc/PID/map_files). What the kernel told counts more: a process may have had another image by then. So the mappings of
 * /proc are taken only if they agree with those that were told, and are another process's if it began at another time.
 */
#include "record/about.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <utlist.h>

#include "sym/copied.h"
#include "tracee/tracee.h"

#define ABOUT_MAX   4096 /* images that are kept */
#define FORKS_MAX   16384
#define CODE_MAX    1024 /* mappings of one */
#define PARENTS_MAX 16
#define TICK_NS	    10000000ull /* field starttime of /proc/PID/stat: USER_HZ is 100 */

bool about__alive(pid_t pid, uint64_t start_ns)
{
	unsigned long long ticks = 0;
	char path[64], text[1024];

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	FILE *f = fopen(path, "re");
	if (!f)
		return false;
	size_t n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	/* the name may hold anything; fields 3 to 22 come behind its last parenthesis (man 5 proc) */
	const char *at = strrchr(text, ')');
	if (!at || sscanf(at + 1,
			  " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
			  "%*s %*s %*s %llu",
			  &ticks) != 1)
		return false;
	return ticks == start_ns / TICK_NS;
}

struct about *about__find(struct recorder *r, pid_t pid, uint64_t start_ns)
{
	struct about *a, *newest = NULL;

	LL_FOREACH (r->abouts, a)
		if (a->pid == pid && a->start_ns == start_ns &&
		    (!newest || a->image > newest->image))
			newest = a;
	return newest;
}

static struct about *find_image(struct recorder *r, const struct kwho *who)
{
	struct about *a;

	LL_FOREACH (r->abouts, a)
		if (a->pid == (pid_t)who->tgid && a->start_ns == who->start_ns &&
		    a->image == who->image)
			return a;
	return NULL;
}

static pid_t parent_of(const struct recorder *r, pid_t child)
{
	const struct about_fork *f;

	LL_FOREACH (r->forks, f)
		if (f->child == child)
			return f->parent;
	return 0;
}

static struct about *get(struct recorder *r, const struct kwho *who)
{
	struct about *a = find_image(r, who);

	if (a || r->nabouts >= ABOUT_MAX)
		return a;
	a = calloc(1, sizeof(*a));
	if (!a)
		return NULL;
	a->pid = (pid_t)who->tgid;
	a->start_ns = who->start_ns;
	a->image = who->image;
	a->parent = parent_of(r, a->pid);
	r->nabouts++;
	LL_PREPEND(r->abouts, a);
	return a;
}

static const struct about_code *code_at(const struct about_code *code, size_t n, uint64_t addr)
{
	for (size_t i = 0; i < n; i++)
		if (addr >= code[i].start && addr < code[i].end)
			return &code[i];
	return NULL;
}

static int add_code(struct about *a, const struct about_code *c)
{
	struct about_code *more;

	if (code_at(a->code, a->ncode, c->start) || a->ncode >= CODE_MAX)
		return 0;
	more = reallocarray(a->code, a->ncode + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	a->code = more;
	a->code[a->ncode++] = *c;
	return 0;
}

static const struct about *parent_image(struct recorder *r, const struct about *a)
{
	const struct about *p;

	LL_FOREACH (r->abouts, p)
		if (a->parent && p->pid == a->parent && p->image == a->image)
			return p;
	return NULL;
}

int about__all_code(struct recorder *r, const struct about *a, struct about_code **ret,
		    size_t *ret_n)
{
	struct about all = { 0 };
	int err = 0;

	for (int depth = 0; a && !err && depth < PARENTS_MAX; depth++) {
		for (size_t i = 0; i < a->ncode && !err; i++)
			err = add_code(&all, &a->code[i]);
		a = parent_image(r, a);
	}
	if (err) {
		free(all.code);
		return err;
	}
	*ret = all.code;
	*ret_n = all.ncode;
	return 0;
}

/** Mappings of a process in the making. */
struct look {
	struct recorder *r;
	const struct about *a;
	struct about now;
	bool differs; /* from what the kernel told */
};

static int look_at_map(void *ctx, const struct tracee_map *m)
{
	struct look *l = ctx;
	const struct about_code *told = code_at(l->a->code, l->a->ncode, m->start);
	const uint32_t dev = m->major << 20 | m->minor;
	struct about_code c = { .start = m->start, .end = m->end, .offset = m->offset };

	/* on overlayfs the two name different inodes of one file */
	if (told && (told->offset != m->offset || told->end != m->end ||
		     (told->file->dev == dev && told->file->inode != m->inode)))
		l->differs = true;
	if (!(m->prot & PROT_EXEC) || m->path[0] != '/' || !m->inode)
		return 0;
	c.file = codefile__find(l->r, dev, m->inode, 0);
	if (!c.file || c.file->fd < 0)
		c.file = codefile__keep(l->r, dev, m->inode, 0, tracee__open_map(l->a->pid, m),
					m->path);
	return c.file ? add_code(&l->now, &c) : -ENOMEM;
}

/** Looks at the process itself, once. */
static int look(struct recorder *r, struct about *a)
{
	struct look l = { .r = r, .a = a };
	int err = 0;

	if (a->looked)
		return 0;
	a->looked = true;
	if (!about__alive(a->pid, a->start_ns))
		return 0;
	err = tracee__maps(a->pid, look_at_map, &l);
	if (!err && !l.differs && about__alive(a->pid, a->start_ns))
		for (size_t i = 0; i < l.now.ncode && !err; i++)
			err = add_code(a, &l.now.code[i]);
	free(l.now.code);
	return err == -ENOMEM ? err : 0;
}

static int take_proc(struct about *a, const struct kproc *p)
{
	if (a->proc)
		return 0;
	a->proc = malloc(sizeof(*p));
	if (!a->proc)
		return -ENOMEM;
	*a->proc = *p;
	return 0;
}

static int take_code(struct recorder *r, struct about *a, const struct kcode *k)
{
	struct about_code c = { .start = k->start, .end = k->end, .offset = k->offset };

	c.file = codefile__of_kernel(r, &k->file, a->proc ? a->proc->mnt_ns : 0, k->head,
				     k->head_len);
	return c.file ? add_code(a, &c) : -ENOMEM;
}

int about__record(struct recorder *r, const struct kwho *who)
{
	struct about *a = get(r, who);

	if (!a)
		return r->nabouts >= ABOUT_MAX ? 0 : -ENOMEM;
	int err = look(r, a);
	if (err)
		return err;
	switch (who->type) {
	case KEV_PROC:
		return take_proc(a, (const struct kproc *)who);
	case KEV_CODE:
		return take_code(r, a, (const struct kcode *)who);
	default:
		return 0;
	}
}

const struct codefile *about__exe(struct recorder *r, const struct about *a)
{
	return codefile__of_kernel(r, &a->proc->exe, a->proc->mnt_ns, "", 0);
}

void about__forked(struct recorder *r, pid_t parent, pid_t child)
{
	struct about_fork *f = r->nforks < FORKS_MAX ? calloc(1, sizeof(*f)) : NULL;

	if (!f)
		return;
	r->nforks++;
	f->parent = parent;
	f->child = child;
	LL_PREPEND(r->forks, f);
}

void about__free(struct recorder *r)
{
	struct about_fork *f, *g;
	struct about *a, *b;

	LL_FOREACH_SAFE (r->forks, f, g)
		free(f);
	r->forks = NULL;
	LL_FOREACH_SAFE (r->abouts, a, b) {
		free(a->proc);
		free(a->code);
		free(a);
	}
	r->abouts = NULL;
}
