// SPDX-License-Identifier: MIT
#include "show/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

json_t *json__bytes(const void *bytes, size_t len)
{
	static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */
	char *out = malloc(len * 3 + 1), *at = out;
	const char *s = bytes;

	if (!out)
		return NULL;
	for (size_t i = 0; i < len;) {
		unsigned int c;
		size_t n = term__utf8(s + i, len - i, &c);

		memcpy(at, n ? s + i : replacement, n ? n : 3);
		at += n ? n : 3;
		i += n ? n : 1;
	}
	json_t *v = json_stringn(out, at - out);
	free(out);
	return v;
}

json_t *json__text(const char *s)
{
	return s ? json__bytes(s, strlen(s)) : json_null();
}

json_t *json__u64(uint64_t v)
{
	return v <= INT64_MAX ? json_integer((json_int_t)v) : json_null();
}

json_t *json__hex(uint64_t v)
{
	return json_sprintf("0x%llx", (unsigned long long)v);
}

int json__print(const struct show_opts *o, json_t *v, int compact)
{
	if (!v)
		return -ENOMEM;
	json_dumpf(v, o->out, compact ? JSON_COMPACT : JSON_INDENT(2));
	fputc('\n', o->out);
	json_decref(v);
	return 0;
}
