/* SPDX-License-Identifier: MIT */
/*
 * fuzz_reader.c: hostile traces against the reader.
 *
 * An input is a byte of flags and then, for each of events, pages, manifest and clone-0, a 32-bit length and that many
 * bytes. Flags: 1 the hashes are put right, so that what is behind them is reached; 2 there is no manifest. The trace is
 * written into a scratch directory and read whole; a crash, a finding of a sanitizer or an endless loop is the failure.
 *
 * With clang -fsanitize=fuzzer it is a libFuzzer target. Otherwise its main() takes `[-n N] [-o DIR] WHAT...`: WHAT is an
 * input or the directory of a trace; each is tried as it is and in N changed forms (default 300, always the same ones). -o:
 * the traces given are stored as inputs in DIR, as a corpus for libFuzzer.
 */
#include <sys/stat.h>

#include "../unit/trace_scratch.h"

#define NFILES	 4u
#define MAX_FILE (1u << 20)

static const char *const names[NFILES] = { "events", "pages", "manifest", "clone-0" };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const char *scratch(void)
{
	static char dir[64];

	if (!dir[0] && scratch_make(dir) < 0)
		abort();
	return dir;
}

static void put_file(const char *name, struct blob *b, bool rehash)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", scratch(), name);
	unlink(path);
	if (b->len == 0)
		return;
	if (rehash)
		blob_rehash(b);
	if (blob_write(scratch(), name, b->data, b->len) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const uint8_t flags = len ? data[0] : 0;
	size_t at = 1;

	for (unsigned int i = 0; i < NFILES; i++) {
		struct blob b = { NULL, 0 };
		uint32_t n = 0;

		if (at + sizeof(n) <= len) {
			memcpy(&n, data + at, sizeof(n));
			at += sizeof(n);
		}
		if (at > len || n > len - at)
			n = at > len ? 0 : (uint32_t)(len - at);
		if (!(i == 2 && (flags & 2))) {
			b.len = n;
			b.data = malloc(n + 1);
			memcpy(b.data, data + at, n);
		}
		at += n;
		put_file(names[i], &b, (flags & 1) && i < 3);
		free(b.data);
	}
	scratch_walk(scratch());
	return 0;
}

#ifndef LIBFUZZER
/* A trace directory as an input. */
static struct blob pack(const char *dir)
{
	struct blob all = { malloc(1 + NFILES * (4 + MAX_FILE)), 1 };

	all.data[0] = 0;
	for (unsigned int i = 0; i < NFILES; i++) {
		struct blob b = blob_read(dir, names[i]);
		const uint32_t n = b.len < MAX_FILE ? (uint32_t)b.len : MAX_FILE;

		memcpy(all.data + all.len, &n, sizeof(n));
		if (n > 0)
			memcpy(all.data + all.len + sizeof(n), b.data, n);
		all.len += sizeof(n) + n;
		free(b.data);
	}
	return all;
}

static uint64_t next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

/* One change: a bit, a byte of those that hurt, a 32-bit number, or a piece copied elsewhere. */
static void change(struct blob *b, uint64_t *x)
{
	static const uint32_t numbers[] = { 0,		1,	    7,		8,
					    0x7fffffff, 0x80000000, 0xffffffff, 0xfffffff8 };
	const size_t at = next_random(x) % b->len;
	const size_t from = next_random(x) % b->len;
	const size_t most = b->len - (at > from ? at : from);

	switch (next_random(x) % 4) {
	case 0:
		b->data[at] ^= (uint8_t)(1u << next_random(x) % 8);
		break;
	case 1:
		b->data[at] = (uint8_t)next_random(x);
		break;
	case 2:
		if (b->len - at >= 4)
			memcpy(b->data + at, &numbers[next_random(x) % 8], 4);
		break;
	default:
		memmove(b->data + at, b->data + from, next_random(x) % 64 % most);
	}
}

static void try_changes(const struct blob *b, unsigned int n)
{
	uint64_t x = 88172645463325252ull + b->len;

	LLVMFuzzerTestOneInput(b->data, b->len);
	for (unsigned int i = 0; i < n; i++) {
		struct blob c = { malloc(b->len), b->len };

		memcpy(c.data, b->data, b->len);
		for (uint64_t k = 1 + next_random(&x) % 4; k > 0; k--)
			change(&c, &x);
		c.data[0] = (uint8_t)(i % 8 == 0 ? 0 : 1 | (i & 2));
		LLVMFuzzerTestOneInput(c.data, c.len);
		free(c.data);
	}
}

/* A directory is a trace, anything else an input. */
static struct blob load(const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return pack(path);
	return blob_read(".", path);
}

static void store(const char *dir, unsigned int i, const struct blob *b)
{
	char name[32];

	snprintf(name, sizeof(name), "trace-%u", i);
	if (blob_write(dir, name, b->data, b->len) < 0)
		abort();
}

int main(int argc, char **argv)
{
	const char *out = NULL;
	unsigned int n = 300, tried = 0;
	int opt;

	while ((opt = getopt(argc, argv, "n:o:")) != -1) {
		if (opt == 'n')
			n = (unsigned int)strtoul(optarg, NULL, 10);
		else if (opt == 'o')
			out = optarg;
		else
			return 2;
	}
	for (int i = optind; i < argc; i++) {
		struct blob b = load(argv[i]);

		if (!b.data || b.len == 0)
			return 2;
		if (out)
			store(out, tried, &b);
		else
			try_changes(&b, n);
		free(b.data);
		tried++;
	}
	scratch_remove(scratch());
	printf("%u inputs, %u changes of each\n", tried, n);
	return tried ? 0 : 2;
}
#endif
