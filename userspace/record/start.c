/* SPDX-License-Identifier: MIT */
#include "record/start.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "record/emit.h"
#include "tracee/tracee.h"
#include "util/err.h"

#define STRINGS_MAX (BPREC_EVENT_MAX - 4096)

/** Appends strings with their NULs while they fit; returns how many did. */
static uint32_t append(char *buf, size_t *len, char *const *strings)
{
	uint32_t n = 0;

	for (; strings[n]; n++) {
		const size_t size = strlen(strings[n]) + 1;

		if (*len + size > STRINGS_MAX - PATH_MAX)
			break;
		memcpy(buf + *len, strings[n], size);
		*len += size;
	}
	return n;
}

static int write_start(struct recorder *r)
{
	struct ev_start ev = {
		.xcr0 = tracee__xcr0(),
		.xsave_size = tracee__xstate_size(),
		.ncpu = sysconf(_SC_NPROCESSORS_ONLN),
		.uid = r->opts->drop_user ? r->opts->uid : getuid(),
		.gid = r->opts->drop_user ? r->opts->gid : getgid(),
		.observed = r->watch ? OBSERVED_ONLY : r->k != NULL,
		.version = BPREC_VERSION,
	};
	char *strings = malloc(STRINGS_MAX);
	struct utsname u;
	struct timespec ts;
	size_t len = 0;
	int err;

	if (!strings)
		return -ENOMEM;
	clock_gettime(CLOCK_REALTIME, &ts);
	ev.wall_ns = ts.tv_sec * 1000000000ull + ts.tv_nsec;
	if (!uname(&u))
		memcpy(ev.release, u.release, strnlen(u.release, sizeof(ev.release) - 1));
	ev.argc = append(strings, &len, r->opts->argv);
	ev.envc = append(strings, &len, r->opts->envp);
	if (!getcwd(strings + len, PATH_MAX))
		strings[len] = '\0';
	len += strlen(strings + len) + 1;
	ev.strings_len = len;
	err = emit(r, EV_START, NULL, &ev, sizeof(ev), strings, len);
	free(strings);
	return err;
}

static int write_hooks(struct recorder *r)
{
	size_t n;
	const struct kern_hook *h = kern__hooks(r->k, &n);
	int err = 0;

	for (size_t i = 0; i < n && !err; i++) {
		if (h[i].state == HOOK_SPARE)
			continue;
		struct ev_hook ev = { .state = h[i].state, .error = h[i].error };

		strncpy(ev.name, h[i].name, sizeof(ev.name) - 1);
		strncpy(ev.serves, h[i].serves, sizeof(ev.serves) - 1);
		err = emit(r, EV_HOOK, NULL, &ev, sizeof(ev), NULL, 0);
	}
	return err;
}

int start__write(struct recorder *r, const char *why)
{
	int err = write_start(r);

	if (err)
		return err;
	if (r->k)
		err = write_hooks(r);
	else
		err = emit__gap(r, GAP_NOT_OBSERVED, CH_UNKNOWN, 0, "%s",
				why ? why : "observation was switched off");
	return err ? err : writer__flush(r->w, 0);
}
