// SPDX-License-Identifier: MIT
#include "show/term.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool term__wants_colour(FILE *out)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(fileno(out)) && !(no && *no) && !(term && !strcmp(term, "dumb"));
}

const char *term__colour(bool on, enum term_colour c)
{
	static const char *const codes[] = {
		[TERM_PLAIN] = "\033[0m",  [TERM_GOOD] = "\033[32m", [TERM_WARN] = "\033[33m",
		[TERM_BAD] = "\033[1;31m", [TERM_HEAD] = "\033[1m",  [TERM_DIM] = "\033[2m"
	};

	return on ? codes[c] : "";
}

size_t term__utf8(const char *s, size_t n, unsigned int *ret_c)
{
	static const unsigned int least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char b = n ? (unsigned char)*s : 0xff;
	size_t len = b < 0x80 ? 1 : b >= 0xf0 ? 4 : b >= 0xe0 ? 3 : 2;
	unsigned int c = b < 0x80 ? b : b & (0xffu >> (len + 1));

	if (len > n || (b >= 0x80 && b < 0xc2) || b > 0xf4)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if (((unsigned char)s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | ((unsigned char)s[i] & 0x3f);
	}
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	*ret_c = c;
	return len;
}

/** True for characters that must not reach a terminal: C0 and C1 controls, DEL, and those that steer direction
 *  (Unicode standard annex 9) or break lines. */
static bool is_unsafe(unsigned int c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x200b && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
	       c == 0x61c;
}

/** Writes one character or byte to at; *used gets how many bytes of s were taken. Returns bytes written, at most 12. */
static size_t escape_one(char *at, const char *s, size_t n, size_t *used)
{
	unsigned int c = 0;
	size_t len = term__utf8(s, n, &c);

	*used = len ? len : 1;
	if (len && !is_unsafe(c)) {
		memcpy(at, s, len);
		return len;
	}
	if (len && (c == '\n' || c == '\t' || c == '\r'))
		return sprintf(at, "\\%c", c == '\n' ? 'n' : c == '\t' ? 't' : 'r');
	if (len > 1)
		return sprintf(at, "\\u{%x}", c);
	return sprintf(at, "\\x%02x", (unsigned char)*s);
}

char *term__escape_bytes(const void *bytes, size_t len, size_t most)
{
	size_t show = len < most ? len : most;
	/* no input byte becomes more than 4 characters: \u{...} comes from at least 2 bytes and takes at most 8 */
	char *out = malloc(show * 4 + 16), *at = out;
	const char *s = bytes;

	if (!out)
		return NULL;
	for (size_t i = 0, used; i < show; i += used)
		at += escape_one(at, s + i, show - i, &used);
	strcpy(at, show < len ? "..." : "");
	return out;
}

char *term__escape(const char *s)
{
	return term__escape_bytes(s, strlen(s), (size_t)-1);
}

size_t term__width(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}
