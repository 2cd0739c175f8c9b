/* SPDX-License-Identifier: MIT */
/* json.h: helpers around jansson for values from a trace. */
#ifndef BPREC_SHOW_JSON_H
#define BPREC_SHOW_JSON_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "show/term.h"

/** New string; bytes that are no UTF-8 become U+FFFD. NULL gives null. New reference, NULL: no memory. */
json_t *json__text(const char *s);
/** New string of len bytes, NUL bytes too. */
json_t *json__bytes(const void *bytes, size_t len);
/** New integer; null for what a JSON integer of 63 bits can't hold (among it ~0, "none"). */
json_t *json__u64(uint64_t v);
/** New string "0x...". */
json_t *json__hex(uint64_t v);
/** Prints a value and a newline: in several lines, or (compact) in one. Takes the reference. 0 or -ENOMEM: v was NULL. */
int json__print(const struct show_opts *o, json_t *v, int compact);

#endif
