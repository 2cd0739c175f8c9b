/* SPDX-License-Identifier: MIT */
#include "util/nearest.h"

#include <string.h>

#define LETTERS_MAX 63

static unsigned int least(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

unsigned int nearest__distance(const char *a, const char *b)
{
	size_t m = strnlen(a, LETTERS_MAX), n = strnlen(b, LETTERS_MAX);
	unsigned int d[LETTERS_MAX + 1][LETTERS_MAX + 1]; /* d[i][j]: first i of a, first j of b */

	for (size_t i = 0; i <= m; i++)
		d[i][0] = i;
	for (size_t j = 0; j <= n; j++)
		d[0][j] = j;
	for (size_t i = 1; i <= m; i++)
		for (size_t j = 1; j <= n; j++) {
			unsigned int replaced = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);

			d[i][j] = least(replaced, least(d[i - 1][j], d[i][j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
		}
	return d[m][n];
}

unsigned int nearest__limit(const char *word)
{
	size_t third = strnlen(word, LETTERS_MAX) / 3;

	return third ? third : 1;
}
