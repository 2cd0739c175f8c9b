// SPDX-License-Identifier: GPL-2.0-only
/*
 * cut.bpf.c: truncate(path).
 *
 * What it works on is not known when it begins, nor told by anything when it is over. So then each watched object is looked at
 * whose size is now the one asked for and was not before; the call is announced late, with the time at which it began.
 *
 * An object may have got that size before the call, by what no hook shows (FUSE and network file systems take sizes from
 * elsewhere): when the call begins, such objects are marked, and the call isn't said to have changed them.
 *
 * Its size may be another one by then: a write that came after the cut made it longer again, and may even have given it the size
 * that it had. So while such a call is under way (`truncating`), each write of an insider that is over and reaches to the end of its
 * object is noted there; those that are still under way then are looked for. The call may have cut such an object, and is said to,
 * with an unknown range and as doubtful: it may have worked on another file, but nothing is missed. (Where it is an outsider's write
 * that hides the cut, the object is known to be changed, by that one alone.)
 */
#include "sys.bpf.h"

/* For each watched object: has it the length already that a truncate(path) is going to set? */
static long mark_untold(void *map, const __u64 *key, struct watch *w, const __u64 *length)
{
	__u64 now = object_size(*key);

	if (now != *length) {
		if (w->untold == *length)
			w->untold_ns = 0;
	} else if (now != w->size && (!w->untold_ns || w->untold != now)) {
		w->untold = now;
		w->untold_ns = bpf_ktime_get_ns();
	}
	return 0;
}

__noinline int truncate_begin(__u64 length)
{
	struct flight f = { .end = END_BY_SIZE };

	bpf_for_each_map_elem(&watched, mark_untold, &length, 0);
	f.n.hook = KHOOK_enter_truncate;
	f.n.length = length;
	if (flight_begin(&f, 0))
		return -1;
	__sync_fetch_and_add(&truncating, 1);
	return 0;
}

/** A truncate(path) that is over: what a look at one object needs of it. */
struct truncation {
	__u64 ns, length;
	__u32 hook;
	bool found;   /* an object has the length since then */
	bool crowded; /* another such call to it is under way */
	bool told;    /* what was found was told */
};

/* Has the object a length that is new, and the one of the call? Not if it had it when the call began. */
static __always_inline bool may_be_cut(__u64 object, const struct watch *w,
				       const struct truncation *call)
{
	__u64 now = object_size(object);

	if (now == w->size || now != call->length)
		return false;
	return !w->untold_ns || w->untold != now || w->untold_ns > call->ns;
}

static long find_cut(void *map, const __u64 *key, struct watch *w, struct truncation *call)
{
	call->found = may_be_cut(*key, w, call);
	return call->found;
}

static long find_other(void *map, const struct flight_key *key, struct flight *f,
		       struct truncation *call)
{
	call->crowded = f->end == END_BY_SIZE && f->n.length == call->length;
	return call->crowded;
}

/* For each watched object: was it what a truncate(path) changed? If it may have been another that is under way, too, each of them
 * is named, and none for certain. */
static long truncated(void *map, const __u64 *key, struct watch *w, struct truncation *call)
{
	__u64 object = *key, old = w->size;

	if (!may_be_cut(object, w, call))
		return 0;
	bool doubtful = call->crowded || (w->untold_ns && w->untold == call->length);
	struct flight f = { .n = { .object = object, .ns = call->ns, .hook = call->hook } };
	f.n.channel = CH_TRUNCATE;
	truncate_range(&f.n, old, call->length);
	if (doubtful)
		f.n.flags |= KEVF_RANGE_UNKNOWN;
	flight_late(&f, 0);
	call->told = true;
	if (doubtful) {
		w->size = old;
		w->untold = call->length;
		w->untold_ns = bpf_ktime_get_ns();
	}
	return 0;
}

/* Tells that the call may have cut this object. (Only a lookup: whatever has the key now, is looked at.) */
__noinline int may_have_cut(__u64 object, const struct truncation *call)
{
	struct watch *w = bpf_map_lookup_elem(&watched, &object);

	if (!w || !call || w->beneath || w->cut_ns == call->ns)
		return 0;
	w->cut_ns = call->ns;
	struct flight f = { .n = { .object = object, .ns = call->ns, .hook = call->hook } };
	f.n.channel = CH_TRUNCATE;
	f.n.flags = KEVF_SHRINK | KEVF_RANGE_UNKNOWN | KEVF_DOUBTFUL;
	f.n.length = TO_END;
	return flight_late(&f, 0);
}

/* For each watched object: has a write that is over given it its size since the call began? */
static long regrown(void *map, const __u64 *key, struct watch *w, struct truncation *call)
{
	const __u64 now = object_size(*key);

	if (w->regrown_ns > call->ns && w->regrown == now && now >= call->length)
		may_have_cut(*key, call);
	return 0;
}

/* Can a write that is under way have given its object, of which a size is known, the size that it has now? */
static __always_inline bool may_regrow(const struct flight *f, __u64 now, __u64 known)
{
	const __u64 from = f->n.offset, to = from + f->n.length;

	if (f->end == END_MAPPING || f->end == END_PROTECT || f->end >= END_LATE)
		return false;
	if (f->n.length == TO_END || f->n.flags & KEVF_RANGE_UNKNOWN)
		return true;
	if (f->end == END_APPEND)
		return from < known || (now != known && now != to);
	return now > from && now <= to;
}

/* Only writes of insiders. (Whose a request of io_uring is isn't known here.) */
static __always_inline void look_under_way(__u64 who, const struct flight *f,
					   const struct truncation *call)
{
	const __u32 tgid = who >> 32;

	if (!f->who && !bpf_map_lookup_elem(&tree, &tgid))
		return;
	const __u64 object = f->n.object;
	const struct watch *w = object ? bpf_map_lookup_elem(&watched, &object) : NULL;

	if (!w)
		return;
	const __u64 now = object_size(object);
	if (now >= call->length && may_regrow(f, now, w->size))
		may_have_cut(object, call);
}

static long under_way(void *map, const struct flight_key *key, struct flight *f,
		      struct truncation *call)
{
	look_under_way(key->who, f, call);
	return 0;
}

static long quick_under_way(void *map, const __u32 *key, struct quick_write *q,
			    struct truncation *call)
{
	if (q->who)
		look_under_way(q->who, &q->f, call);
	return 0;
}

static __always_inline void look_for_cut(struct truncation *call)
{
	bpf_for_each_map_elem(&watched, find_cut, call, 0);
	if (call->found) {
		bpf_for_each_map_elem(&flights, find_other, call, 0);
		bpf_for_each_map_elem(&watched, truncated, call, 0);
	}
	if (call->told) /* not, if it has grown meanwhile */
		return;
	/* in this order: a write that ends meanwhile notes it before it is no longer under way */
	bpf_for_each_map_elem(&flights, under_way, call, 0);
	bpf_for_each_map_elem(&quick, quick_under_way, call, 0);
	bpf_for_each_map_elem(&watched, regrown, call, 0);
}

__noinline int truncate_end(struct flight *f, __s64 ret)
{
	if (f && ret >= 0) {
		struct truncation call = { f->n.ns, f->n.length, f->n.hook };
		look_for_cut(&call);
	}
	__sync_fetch_and_add(&truncating, -1);
	return 0;
}
