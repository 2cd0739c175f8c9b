// SPDX-License-Identifier: MIT
/*
 * btf.c: reads the kernel's BTF once, and cuts out of it what libbpf needs to relocate our programs.
 *
 * The BTF of a kernel has 125,000 types in 5 MB, and libbpf 1.1 runs through all of them for each of our types and for each
 * place that a program is attached to: with its reading, 4 KiB at a time, that took half of the time that loading takes.
 * Here one pass finds all names; the types that are called like one of ours, and those that are parts of them (not those
 * that they only point to), are written to a file of BTF with some hundred types.
 *
 * Why relocations come out the same: libbpf takes as candidates all types that have the name of ours, up to "___"
 * (bpf_core_add_cands): these are all here, in the same order. Of a candidate it looks at names, offsets and kinds of
 * members, at what is embedded in it, and at sizes; where a member is a pointer it looks no further, so pointers
 * lead to void here, and qualifiers and typedefs are left out, which it skips. test-kern-btf.py compares.
 */
#include "kern/btf.h"

#include <bpf/btf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SLOTS 2048 /* of the table of names; a power of 2 */

/** A name that is looked for. */
struct slot {
	const char *name;	/* NULL: the slot is free */
	size_t len;		/* of the name up to its flavour */
	uint32_t hash;		/* of that */
	struct kbtf_want *want; /* NULL: a type of ours */
};

/** All names that are looked for. */
struct names {
	struct slot slots[SLOTS];
	uint8_t first[1 << 13]; /* bits: first two characters of names that are here */
	unsigned int n;		/* slots in use */
};

/** A growing piece of memory. */
struct buffer {
	unsigned char *data;
	size_t len, cap;
};

/** A part of the BTF in the making. */
struct cut {
	const struct kbtf *b;
	uint32_t *new_id; /* by old id; 0: not in it */
	uint32_t *queue;  /* old id of each new one, from 0; the first `done` are written */
	uint32_t n, cap;  /* of queue */
	uint32_t pointer; /* new id of the one pointer, 0: there is none yet */
	struct buffer types, strings;
	int err;
};

static const struct btf_type *type_at(const struct kbtf *b, uint32_t id)
{
	return (const struct btf_type *)(b->types + b->at[id]);
}

/* Bytes of a type behind struct btf_type; -1: unknown kind. */
static ssize_t tail(const struct btf_type *t)
{
	switch (btf_kind(t)) {
	case BTF_KIND_PTR:
	case BTF_KIND_FWD:
	case BTF_KIND_TYPEDEF:
	case BTF_KIND_VOLATILE:
	case BTF_KIND_CONST:
	case BTF_KIND_RESTRICT:
	case BTF_KIND_FUNC:
	case BTF_KIND_FLOAT:
	case BTF_KIND_TYPE_TAG:
		return 0;
	case BTF_KIND_INT:
	case BTF_KIND_VAR:
	case BTF_KIND_DECL_TAG:
		return sizeof(uint32_t);
	case BTF_KIND_ARRAY:
		return sizeof(struct btf_array);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		return btf_vlen(t) * sizeof(struct btf_member);
	case BTF_KIND_ENUM:
		return btf_vlen(t) * sizeof(struct btf_enum);
	case BTF_KIND_ENUM64:
		return btf_vlen(t) * sizeof(struct btf_enum64);
	case BTF_KIND_FUNC_PROTO:
		return btf_vlen(t) * sizeof(struct btf_param);
	case BTF_KIND_DATASEC:
		return btf_vlen(t) * sizeof(struct btf_var_secinfo);
	default:
		return -1;
	}
}

/* The file as a mapping (since 6.16), else as a copy. */
static int read_file(struct kbtf *b, int fd)
{
	struct stat st;
	unsigned char *copy;
	size_t have = 0;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return -errno;
	b->size = st.st_size;
	b->data = mmap(NULL, b->size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	b->mapped = b->data != MAP_FAILED;
	if (b->mapped)
		return 0;
	b->data = copy = malloc(b->size ?: 1);
	if (!copy)
		return -ENOMEM;
	while (have < b->size && (n = read(fd, copy + have, b->size - have)) > 0)
		have += n;
	b->size = have;
	return 0;
}

/* Finds the two sections. */
static int read_header(struct kbtf *b)
{
	const struct btf_header *h = (const struct btf_header *)b->data;
	uint64_t types, strings;

	if (b->size < sizeof(*h) || h->magic != BTF_MAGIC || h->hdr_len < sizeof(*h))
		return -EPROTO;
	types = (uint64_t)h->hdr_len + h->type_off;
	strings = (uint64_t)h->hdr_len + h->str_off;
	if (types + h->type_len > b->size || strings + h->str_len > b->size || types % 4 ||
	    !h->str_len || b->data[strings + h->str_len - 1])
		return -EPROTO;
	b->types = b->data + types;
	b->types_len = h->type_len;
	b->strings = (const char *)b->data + strings;
	b->strings_len = h->str_len;
	return 0;
}

/* Numbers the types. Nothing here is shorter than struct btf_type, so that there is room for all ids. */
static int number_types(struct kbtf *b)
{
	uint32_t off = 0;

	b->at = malloc((b->types_len / sizeof(struct btf_type) + 2) * sizeof(*b->at));
	if (!b->at)
		return -ENOMEM;
	while (off < b->types_len) {
		const struct btf_type *t = (const struct btf_type *)(b->types + off);
		ssize_t more = b->types_len - off < sizeof(*t) ? -1 : tail(t);

		if (more < 0 || b->types_len - off - sizeof(*t) < (size_t)more ||
		    t->name_off >= b->strings_len)
			return -EPROTO;
		b->at[++b->n] = off;
		off += sizeof(*t) + more;
	}
	return 0;
}

int kbtf_open(struct kbtf *b, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err;

	*b = (struct kbtf){ 0 };
	if (fd < 0)
		return -errno;
	err = read_file(b, fd);
	close(fd);
	if (!err)
		err = read_header(b);
	if (!err)
		err = number_types(b);
	if (err)
		kbtf_close(b);
	return err;
}

void kbtf_close(struct kbtf *b)
{
	if (b->mapped)
		munmap((void *)b->data, b->size);
	else
		free((void *)b->data);
	free(b->at);
	*b = (struct kbtf){ 0 };
}

int kbtf_args(const struct kbtf *b, uint32_t id)
{
	static const uint32_t kinds[] = { BTF_KIND_TYPEDEF, BTF_KIND_PTR };

	for (int i = 0; i < 2; i++) {
		if (!id || id > b->n || btf_kind(type_at(b, id)) != kinds[i])
			return -1;
		id = type_at(b, id)->type;
	}
	if (!id || id > b->n || btf_kind(type_at(b, id)) != BTF_KIND_FUNC_PROTO)
		return -1;
	return btf_vlen(type_at(b, id));
}

/* Hash (FNV-1a) and length of a name up to its flavour, the last "___" between other characters. */
static uint32_t hash_name(const char *name, size_t *ret_len)
{
	uint32_t hash = 2166136261u, at_flavour = 0;
	size_t i, flavour = 0;

	for (i = 0; name[i]; i++) {
		if (i && name[i] == '_' && name[i - 1] != '_' && name[i + 1] == '_' &&
		    name[i + 2] == '_' && name[i + 3] && name[i + 3] != '_') {
			flavour = i;
			at_flavour = hash;
		}
		hash = (hash ^ (unsigned char)name[i]) * 16777619u;
	}
	*ret_len = flavour ? flavour : i;
	return flavour ? at_flavour : hash;
}

/* Number of a name's first two characters; what they rule out need not be hashed. */
static unsigned int first_two(const char *name)
{
	return (unsigned char)name[0] | (unsigned char)name[1] << 8;
}

static struct slot *find_slot(struct names *names, const char *name, size_t len, uint32_t hash)
{
	struct slot *s;

	for (uint32_t i = hash;; i++) {
		s = &names->slots[i % SLOTS];
		if (!s->name || (s->hash == hash && s->len == len && !memcmp(s->name, name, len)))
			return s;
	}
}

/* Enters a name of a type of ours (want NULL) or of one that is looked for. */
static int add_name(struct names *names, const char *name, struct kbtf_want *want)
{
	size_t len;
	uint32_t hash = hash_name(name, &len);
	struct slot *s = find_slot(names, name, len, hash);
	unsigned int bit = first_two(name);

	if (names->n == SLOTS / 2)
		return -E2BIG;
	names->n += !s->name;
	*s = (struct slot){ name, len, hash, want };
	names->first[bit / 8] |= 1 << bit % 8;
	bit = len == 1 ? first_two((const char[]){ name[0], '_', 0 })
		       : bit; /* a kernel's "x___y" */
	names->first[bit / 8] |= 1 << bit % 8;
	return 0;
}

static bool has_members(uint32_t kind)
{
	return kind == BTF_KIND_STRUCT || kind == BTF_KIND_UNION || kind == BTF_KIND_ENUM ||
	       kind == BTF_KIND_ENUM64;
}

static int add_names(struct names *names, struct kbtf_want *wants, size_t n,
		     const struct btf *local)
{
	int err = 0;

	for (uint32_t id = 1; id < btf__type_cnt(local) && !err; id++) {
		const struct btf_type *t = btf__type_by_id(local, id);
		const char *name = btf__name_by_offset(local, t->name_off);

		if (has_members(btf_kind(t)) && name && *name)
			err = add_name(names, name, NULL);
	}
	for (size_t i = 0; i < n && !err; i++) {
		wants[i].id = 0;
		err = add_name(names, wants[i].name, &wants[i]);
	}
	return err;
}

/* Appends to a buffer; returns the offset. */
static uint32_t append(struct cut *c, struct buffer *b, const void *data, size_t len)
{
	size_t at = b->len;

	if (b->cap - at < len) {
		size_t cap = 2 * (b->cap + len) + 4096;
		unsigned char *more = realloc(b->data, cap);

		if (!more) {
			c->err = -ENOMEM;
			return 0;
		}
		b->data = more;
		b->cap = cap;
	}
	memcpy(b->data + at, data, len);
	b->len += len;
	return at;
}

/* The new offset of a name. */
static uint32_t cut_name(struct cut *c, uint32_t name_off)
{
	const char *name = c->b->strings + name_off;

	if (name_off >= c->b->strings_len)
		c->err = -EPROTO;
	return c->err || !*name ? 0 : append(c, &c->strings, name, strlen(name) + 1);
}

/* Takes a type into the part; returns its new id. */
static uint32_t take(struct cut *c, uint32_t id)
{
	if (c->new_id[id])
		return c->new_id[id];
	if (c->n == c->cap) {
		uint32_t cap = c->cap ? 2 * c->cap : 1024;
		uint32_t *more = realloc(c->queue, cap * sizeof(*more));

		if (!more) {
			c->err = -ENOMEM;
			return 0;
		}
		c->queue = more;
		c->cap = cap;
	}
	c->queue[c->n++] = id;
	return c->new_id[id] = c->n;
}

static bool is_skipped(uint32_t kind)
{
	return kind == BTF_KIND_TYPEDEF || kind == BTF_KIND_CONST || kind == BTF_KIND_VOLATILE ||
	       kind == BTF_KIND_RESTRICT || kind == BTF_KIND_TYPE_TAG;
}

/* The new id for a type that another one refers to. */
static uint32_t refer(struct cut *c, uint32_t id)
{
	/* as many steps as there can be; more of them are a circle */
	for (int steps = 0; steps < 64; steps++) {
		if (!id)
			return 0;
		if (id > c->b->n)
			break;
		const struct btf_type *t = type_at(c->b, id);
		if (btf_kind(t) == BTF_KIND_PTR) {
			c->pointer = c->pointer ?: take(c, id);
			return c->pointer;
		}
		if (!is_skipped(btf_kind(t)))
			return take(c, id);
		id = t->type;
	}
	c->err = -EPROTO;
	return 0;
}

static void write_members(struct cut *c, const struct btf_type *t)
{
	const struct btf_member *m = btf_members(t);

	for (int i = 0; i < btf_vlen(t) && !c->err; i++) {
		struct btf_member out = m[i];

		out.name_off = cut_name(c, m[i].name_off);
		out.type = refer(c, m[i].type);
		append(c, &c->types, &out, sizeof(out));
	}
}

/* Both kinds of enumerators begin with their name. */
static void write_values(struct cut *c, const struct btf_type *t, size_t size)
{
	const unsigned char *value = (const unsigned char *)(t + 1);

	for (int i = 0; i < btf_vlen(t) && !c->err; i++, value += size) {
		uint32_t name = cut_name(c, *(const uint32_t *)value);

		append(c, &c->types, &name, sizeof(name));
		append(c, &c->types, value + sizeof(name), size - sizeof(name));
	}
}

static void write_array(struct cut *c, const struct btf_type *t)
{
	struct btf_array out = *btf_array(t);

	out.type = refer(c, out.type);
	out.index_type = refer(c, out.index_type);
	append(c, &c->types, &out, sizeof(out));
}

static void write_type(struct cut *c, uint32_t id)
{
	const struct btf_type *t = type_at(c->b, id);
	struct btf_type out = *t;

	out.name_off = cut_name(c, t->name_off);
	if (btf_kind(t) == BTF_KIND_PTR)
		out.type = 0;
	append(c, &c->types, &out, sizeof(out));
	switch (btf_kind(t)) {
	case BTF_KIND_PTR:
	case BTF_KIND_FWD:
	case BTF_KIND_FLOAT:
		break;
	case BTF_KIND_INT:
		append(c, &c->types, t + 1, tail(t));
		break;
	case BTF_KIND_ARRAY:
		write_array(c, t);
		break;
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		write_members(c, t);
		break;
	case BTF_KIND_ENUM:
	case BTF_KIND_ENUM64:
		write_values(c, t, tail(t) / (btf_vlen(t) ?: 1));
		break;
	default: /* functions and variables are in no structure */
		c->err = -EPROTO;
	}
}

/* One pass over all names: what is wanted gets its id, types called like ours are taken. */
static void find_types(struct cut *c, struct names *names)
{
	const struct kbtf *b = c->b;

	for (uint32_t id = 1; id <= b->n && !c->err; id++) {
		const struct btf_type *t = type_at(b, id);
		const char *name = b->strings + t->name_off;
		unsigned int bit = first_two(name);
		size_t len;

		if (!*name || !(names->first[bit / 8] & 1 << bit % 8))
			continue;
		uint32_t hash = hash_name(name, &len);
		const struct slot *s = find_slot(names, name, len, hash);
		if (!s->name)
			continue;
		if (s->want && !s->want->id && s->want->kind == btf_kind(t) && !name[len])
			s->want->id = id;
		else if (!s->want && has_members(btf_kind(t)))
			take(c, id);
	}
}

static int write_all(int fd, const void *data, size_t len)
{
	for (ssize_t n; len; len -= n, data = (const char *)data + n) {
		n = write(fd, data, len);
		if (n < 0)
			return -errno;
	}
	return 0;
}

static int write_cut(struct cut *c, int fd)
{
	struct btf_header h = { .magic = BTF_MAGIC, .version = BTF_VERSION, .hdr_len = sizeof(h) };
	int err;

	append(c, &c->strings, "", 1); /* offset 0 is the empty name */
	for (uint32_t i = 0; i < c->n && !c->err; i++)
		write_type(c, c->queue[i]);
	if (c->err)
		return c->err;
	h.type_len = h.str_off = c->types.len;
	h.str_len = c->strings.len;
	err = write_all(fd, &h, sizeof(h));
	if (!err)
		err = write_all(fd, c->types.data, c->types.len);
	return err ? err : write_all(fd, c->strings.data, c->strings.len);
}

int kbtf_extract(const struct kbtf *b, struct kbtf_want *wants, size_t n, const struct btf *local,
		 int fd)
{
	struct names *names = calloc(1, sizeof(*names));
	struct cut c = { .b = b, .new_id = calloc(b->n + 1, sizeof(*c.new_id)) };
	int err = -ENOMEM;

	if (!names || !c.new_id)
		goto out;
	err = add_names(names, wants, n, local);
	if (err)
		goto out;
	find_types(&c, names);
	err = c.err;
	if (!err && fd >= 0)
		err = write_cut(&c, fd);
out:
	free(c.types.data);
	free(c.strings.data);
	free(c.queue);
	free(c.new_id);
	free(names);
	return err;
}
