/* SPDX-License-Identifier: MIT */
#include "util/err.h"

#include <stdio.h>

static _Thread_local char text[ERR_TEXT_MAX];

int err__set(int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return code;
}

const char *err__text(void)
{
	return text;
}

void err__clear(void)
{
	text[0] = '\0';
}
