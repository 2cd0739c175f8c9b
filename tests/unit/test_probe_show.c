/* SPDX-License-Identifier: MIT */
/* test_probe_show.c: text and JSON of a report made by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "show/probe.h"

static struct probe_feature features[] = {
	{ "tp_btf", "faults", PROBE_YES, false, "ran" },
	{ "lockdown", "reasons", PROBE_YES, true, "\"quoted\" \xc3\xa4" },
	{ "pmu", "places", PROBE_UNKNOWN, false, "needs root" },
};

#define KNOWN(ch, fs, how)                                                                   \
	.channel = (ch), .filesystem = (fs), .seen = (how), .possible = true, .known = true, \
	.tried = true
#define NOT_KNOWN(ch) .channel = (ch), .filesystem = "xfs", .possible = true, .why = "no mkfs"

static struct probe_cell cells[] = {
	{ KNOWN(CH_PWRITE, "tmpfs", SEEN_EXACT), .hooks = { "h1", "h2" }, .nhooks = 2 },
	{ KNOWN(CH_PWRITE, "ext4", SEEN_EXACT) },
	{ NOT_KNOWN(CH_PWRITE) },
	{ .channel = CH_CLONE, .filesystem = "tmpfs", .known = true, .tried = true },
	{ KNOWN(CH_CLONE, "ext4", SEEN_EXACT) },
	{ NOT_KNOWN(CH_CLONE) },
	{ KNOWN(CH_MMAP_STORE, "tmpfs", SEEN_COMPARE), .why = "silent" },
	{ KNOWN(CH_MMAP_STORE, "ext4", SEEN_PAGE) },
	{ NOT_KNOWN(CH_MMAP_STORE) },
};

#define NCELLS (sizeof(cells) / sizeof(*cells))

/* Turns the cells of xfs, which are not known, into known ones or back. */
static void know_all(bool known)
{
	for (size_t i = 2; i < NCELLS; i += 3) {
		cells[i].known = known;
		cells[i].seen = known ? SEEN_EXACT : SEEN_NO;
	}
}

static struct probe_report report(void)
{
	cells[6].seen = SEEN_COMPARE;
	know_all(false);
	return (struct probe_report){ .kernel = "6.1.0-test",
				      .arch = "x86_64",
				      .usable = true,
				      .observes = true,
				      .why = "all works",
				      .features = features,
				      .nfeatures = 3,
				      .cells = cells,
				      .ncells = NCELLS };
}

static char *text_of(const struct probe_report *r, bool colour)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	show__probe_text(f, r, colour);
	fclose(f);
	return text;
}

/* Page by page is enough; by comparing is not; what can't happen does not count. */
static void test_complete(void **state)
{
	struct probe_report r = report();

	(void)state;
	assert_false(show__probe_complete(&r));
	cells[6].seen = SEEN_PAGE;
	assert_false(show__probe_complete(&r)); /* what isn't known is not seen */
	know_all(true);
	assert_true(show__probe_complete(&r));
	r.ncells = 0;
	assert_false(show__probe_complete(&r));
}

static void test_json(void **state)
{
	const struct probe_report r = report();
	const char *kernel, *arch, *name, *answer, *why, *purpose;
	json_t *root, *fs, *cs, *hooks;
	char *text = NULL;
	int usable;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	(void)state;
	assert_int_equal(show__probe_json(f, &r), 0);
	fclose(f);
	root = json_loads(text, 0, NULL);
	assert_non_null(root);
	assert_int_equal(json_unpack(root, "{s:s, s:s, s:b, s:o, s:o}", "kernel", &kernel, "arch",
				     &arch, "usable", &usable, "features", &fs, "channels", &cs),
			 0);
	assert_string_equal(kernel, "6.1.0-test");
	assert_true(usable);
	assert_int_equal(json_array_size(fs), 3);
	assert_int_equal(json_unpack(json_array_get(fs, 1), "{s:s, s:s, s:s, s:s}", "name", &name,
				     "answer", &answer, "why", &why, "for", &purpose),
			 0);
	assert_string_equal(name, "lockdown");
	assert_string_equal(answer, "yes");
	assert_string_equal(why, "\"quoted\" \xc3\xa4");
	assert_string_equal(purpose, "reasons");
	assert_int_equal(json_array_size(cs), NCELLS);
	assert_int_equal(json_unpack(json_array_get(cs, 0), "{s:s, s:s, s:s, s:o, s:s}", "channel",
				     &name, "filesystem", &arch, "seen", &answer, "hooks", &hooks,
				     "why", &why),
			 0);
	assert_string_equal(name, "pwrite");
	assert_string_equal(answer, "exact");
	assert_int_equal(json_array_size(hooks), 2);
	assert_true(json_is_true(json_object_get(json_array_get(cs, 0), "known")));
	assert_true(json_is_false(json_object_get(json_array_get(cs, 2), "known")));
	json_decref(root);
	free(text);
}

static void test_text(void **state)
{
	struct probe_report r = report();
	char *text = text_of(&r, false);

	(void)state;
	assert_null(strchr(text, '\033'));
	assert_non_null(strstr(text, "outside writes by calls: seen exactly\n"));
	assert_non_null(strstr(text, "stores to mappings of tmpfs files: only by comparing\n"));
	assert_non_null(strstr(text, "stores to mappings of ext4 files: page by page\n"));
	assert_non_null(strstr(text, "changes of xfs files: unknown: no mkfs\n"));
	assert_null(strstr(text, "stores to mappings of xfs"));
	assert_non_null(strstr(text, "\nmmap-store         compare    page       unknown"));
	assert_non_null(strstr(text, "\nclone              -          exact      unknown"));
	assert_non_null(strstr(text, "mmap-store, tmpfs: compare: silent\n"));
	free(text);
	text = text_of(&r, true);
	assert_non_null(strchr(text, '\033'));
	free(text);
}

static void test_text_unobserved(void **state)
{
	struct probe_report r = report();
	char *text;

	(void)state;
	r.usable = r.observes = false;
	snprintf(r.why, sizeof(r.why), "needs root");
	text = text_of(&r, false);
	assert_non_null(strstr(text, "needs root\n"));
	assert_null(strstr(text, "seen exactly"));
	assert_null(strstr(text, "mmap-store"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_complete),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_text_unobserved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
