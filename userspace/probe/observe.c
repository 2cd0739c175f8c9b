/* SPDX-License-Identifier: MIT */
/*
 * observe.c: the trial of the channels.
 *
 * The trial's process opens the observation, while another makes filesystems. A child of it is the outsider (what the
 * observer itself does is left out by the programs), which goes from one filesystem to the next, first those of this
 * machine, then those that were made, and tries what is still open.
 */
#include "probe/observe.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kern/kern.h"

/* Some seventy programs; loading one takes 0.3 s where the machine itself is emulated. */
#define OBSERVE_TIMEOUT_MS 90000

const struct observed_scratch *observe__scratch(const struct observed *obs, const char *filesystem)
{
	for (size_t i = 0; i < obs->nscratch; i++)
		if (!strcmp(obs->scratch[i].filesystem, filesystem))
			return &obs->scratch[i];
	return NULL;
}

/* The row of a filesystem, made if need be; NULL: no room. */
static struct observed_scratch *row(struct observed *obs, const char *filesystem)
{
	const struct observed_scratch *s = observe__scratch(obs, filesystem);

	if (s)
		return &obs->scratch[s - obs->scratch];
	if (obs->nscratch == OBSERVED_SCRATCH_MAX)
		return NULL;
	obs->scratch[obs->nscratch].filesystem = filesystem;
	return &obs->scratch[obs->nscratch++];
}

/* Tries what is still open on the filesystem of a place. */
static void try_place(struct kern *k, struct observed *obs, const struct place *p)
{
	struct observed_scratch *s = row(obs, p->filesystem);
	int err;

	if (!s)
		return;
	if (*p->why) {
		s->absent = p->absent && !s->used;
		if (!s->used)
			memcpy(s->why, p->why, sizeof(s->why));
		return;
	}
	err = attempt__all(k, p, s);
	if (err && !s->used)
		snprintf(s->why, sizeof(s->why), "no trial in %s: %s", p->dir, trial__errno(-err));
}

static void copy_hooks(const struct kern *k, struct observed *obs)
{
	size_t n;
	const struct kern_hook *hooks = kern__hooks(k, &n);

	if (n > OBSERVED_HOOKS_MAX)
		n = OBSERVED_HOOKS_MAX;
	for (size_t i = 0; i < n; i++) {
		struct observed_hook *h = &obs->hooks[i];

		snprintf(h->name, sizeof(h->name), "%s", hooks[i].name);
		snprintf(h->serves, sizeof(h->serves), "%s", hooks[i].serves);
		h->state = hooks[i].state;
		h->error = hooks[i].error;
	}
	obs->nhooks = n;
	obs->tiers = kern__tiers(k);
}

/** What an outsider needs. */
struct outsider {
	struct kern *k; /* the observation is its parent's; the ring buffer is shared memory */
	struct observed *obs;
	const struct preparation *prep;
};

/* Tries the filesystems of this machine. */
static void use_found(const struct outsider *o)
{
	struct place found[PLACES_MAX];
	const size_t n = places__find(found);

	for (size_t i = 0; i < n; i++) {
		const struct observed_scratch *s = observe__scratch(o->obs, found[i].filesystem);

		if (!s || !s->used)
			try_place(o->k, o->obs, &found[i]);
	}
}

/* Tries those that were made. */
static void use_made(const struct outsider *o)
{
	const int err = places__wait(o->prep);

	for (size_t i = 0; i < PLACES_MADE; i++) {
		struct place *p = &o->prep->made[i];

		if (err && !*p->why)
			snprintf(p->why, sizeof(p->why), "none of our own: %s", trial__errno(-err));
		try_place(o->k, o->obs, p);
	}
}

/* The outsider's life. Its wait status, or -errno. */
static int run_outsider(const struct outsider *o)
{
	const pid_t pid = trial__fork();
	int status;

	if (pid == 0) {
		use_found(o);
		use_made(o);
		_exit(0);
	}
	if (pid < 0)
		return pid;
	return waitpid(pid, &status, 0) == pid ? status : -errno;
}

static void observe(struct trial *t, void *arg)
{
	const struct observation *r = arg;
	const struct kern_opts opts = { .disable = r->disable };
	struct preparation prep;
	struct outsider o = { .obs = r->obs, .prep = &prep };
	const char *why = "";
	int err;

	err = places__prepare(&prep);
	if (err)
		return trial__unknown(t, "no process for the trial: %s", trial__errno(-err));
	r->obs->error = kern__open(&o.k, &opts, &why);
	if (r->obs->error)
		return trial__no(t, "%s", why);
	copy_hooks(o.k, r->obs);
	err = run_outsider(&o);
	kern__close(o.k);
	if (err)
		return trial__unknown(t, "the outsider of the trial broke off (status %#x)",
				      (unsigned int)err);
	trial__yes(t, "opened");
}

int observe__start(struct observation *o, const char *disable)
{
	memset(o, 0, sizeof(*o));
	o->obs = trial__shared(sizeof(*o->obs));
	if (!o->obs)
		return -ENOMEM;
	o->disable = disable;
	o->error = trial__start(observe, o, &o->child);
	return 0;
}

void observe__finish(struct observation *o)
{
	struct observed *obs = o->obs;
	struct trial t = { .answer = PROBE_UNKNOWN, .why = "the trial could not be started" };

	if (!o->error)
		trial__finish(&o->child, OBSERVE_TIMEOUT_MS, &t);
	if (t.answer == PROBE_UNKNOWN)
		obs->error = -EAGAIN; /* hung or crashed: what it left is not to be trusted */
	if (t.answer != PROBE_YES)
		snprintf(obs->why, sizeof(obs->why), "%s", t.why);
}

void observe__free(struct observation *o)
{
	if (o->obs)
		munmap(o->obs, sizeof(*o->obs));
	o->obs = NULL;
}
