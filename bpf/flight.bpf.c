// SPDX-License-Identifier: GPL-2.0-only
/*
 * flight.bpf.c: calls under way. A change is announced (KEV_BEGIN) at the entry of the call, when its descriptor still
 * is what it was and before the kernel has changed a byte, and closed (KEV_END) at its exit with what it really did
 * (DESIGN 12, rule 1). Between the two, the announcement is kept in the map `flights`.
 */
#include "obs.bpf.h"

/* BEGIN and END of one change carry the same number in aux; no two changes have the same. */
static __always_inline __u64 change_number(__u64 ns)
{
	return ns << 8 | (bpf_get_smp_processor_id() & 0xff);
}

__noinline int flight_open(struct flight *f)
{
	if (!f)
		return -1;
	f->n.ns = bpf_ktime_get_ns();
	f->n.aux = f->sum ? f->sum - 1 : change_number(f->n.ns);
	f->n.type = KEV_BEGIN;
	if (!f->n.object)
		return 0;
	f->size = object_size(f->n.object);
	return emit(&f->n);
}

/* How much of a part of a call was done. */
static __always_inline __u64 part_length(const struct flight *f, __u64 done)
{
	__u64 here = done > f->file ? done - f->file : 0;

	return here < f->n.length ? here : f->n.length;
}

/* Sets the range that a call with result ret > 0 really changed; false: it can't be told. */
static __always_inline bool real_range(struct flight *f, __s64 ret)
{
	struct file *file = (void *)f->file;

	switch (f->end) {
	case END_GIVEN_POS:
		break;
	case END_FILE_POS:
		if (BPF_CORE_READ(file, f_pos) != f->n.offset + ret)
			return false;
		break;
	case END_APPEND:
		if (object_size(f->n.object) != f->size + ret)
			return false;
		f->n.offset = f->size;
		break;
	case END_PART:
	case END_LATE_PART:
		f->n.length = part_length(f, ret);
		return true;
	default:
		return true;
	}
	f->n.length = ret;
	return true;
}

/* Can the call that is over have given the object the size `now`? Not if it appended to the size that was known. */
static __always_inline bool reaches_end(const struct flight *f, __u64 now, __u64 known)
{
	const __u64 end = f->n.offset + f->n.length;

	if (f->n.flags & KEVF_RANGE_UNKNOWN || f->n.length == TO_END)
		return true;
	if (f->end == END_APPEND)
		return f->n.offset < known;
	return end >= now;
}

/*
 * What is known of the object's size after a call. A smaller one than before only if the call cut it: else a truncate(path) did,
 * which looks for just that when it is over. (Without watch_find: whatever has the key now, it is its own size that it gets; a
 * key on the stack: for 6.1, what a global function got as its argument is none.)
 */
static __always_inline void remember_size(const struct flight *f)
{
	const __u64 object = f->n.object;
	struct watch *w = bpf_map_lookup_elem(&watched, &object);

	if (!w)
		return;
	const __u64 now = object_size(object), known = w->size;
	if (f->n.flags & KEVF_SHRINK && !(f->n.flags & KEVF_FAILED))
		w->size = now > f->n.offset ? now : f->n.offset;
	else if (now > known)
		w->size = now;
	if (truncating && is_insider() && reaches_end(f, now, known)) {
		w->regrown = now;
		w->regrown_ns = bpf_ktime_get_ns();
	}
}

/* Emits the end of one change and remembers the object's new size. A call that failed may have changed a part of
 * what it announced (O_DIRECT): its range stays as it was. */
static __always_inline void finish(struct flight *f, __s64 ret)
{
	const __u64 asked = f->n.length;

	if (ret < 0) {
		f->n.flags |= KEVF_FAILED;
	} else if (!real_range(f, ret)) {
		f->n.flags |= KEVF_RANGE_UNKNOWN;
		f->n.offset = 0;
		f->n.length = TO_END;
	}
	f->n.type = KEV_END;
	f->n.ns = 0;
	f->n.ret = ret;
	if (!f->sum || sum_end(f, asked))
		emit(&f->n);
	remember_size(f);
}

__noinline int flight_finish(struct flight *f, __s64 ret)
{
	if (f)
		finish(f, ret);
	return 0;
}

/* Announces, late, a change of an object that could not be known when the call began, and ends it. */
__noinline int flight_late(struct flight *f, __s64 ret)
{
	if (!f)
		return 0;
	f->n.aux = change_number(f->n.ns);
	f->n.type = KEV_BEGIN;
	emit(&f->n);
	finish(f, ret);
	return 0;
}

/* Ends one part of a call. */
static __always_inline void over(struct flight *f, __s64 ret)
{
	if (f->end < END_LATE)
		flight_finish(f, ret);
	else if (ret > 0 && (f->end == END_LATE || part_length(f, ret)))
		flight_late(f, ret);
}

/* One of the other parts of a call that changes several objects. A function of its own, so that it is verified once. */
__noinline int end_slot(__u32 slot, __s64 ret)
{
	struct flight_key key = { bpf_get_current_pid_tgid(), slot };
	struct flight *kept = bpf_map_lookup_elem(&flights, &key);

	if (!kept)
		return 0;
	over(kept, ret);
	bpf_map_delete_elem(&flights, &key);
	return 0;
}

static __always_inline void end_slots(__u32 n, __s64 ret)
{
	for (__u32 i = 1; i < PARTS_MAX && i < n; i++)
		end_slot(i, ret);
}

/* Ends a call that is a change, or several, and takes it out of the table; not sooner: cut.bpf.c. */
static __always_inline void changes_over(const struct flight_key *key, struct flight *f, __s64 ret)
{
	const __u32 nslots = f->nslots;

	over(f, ret);
	flight_take(key);
	end_slots(nslots, ret);
}

static __always_inline bool is_change(const struct flight *f)
{
	return f->end >= END_PART || f->end <= END_APPEND;
}

__noinline int flight_end_change(__s64 ret)
{
	const struct flight_key key = { bpf_get_current_pid_tgid(), 0 };

	if (quick_end(key.who, ret))
		return 1;
	struct flight *f = bpf_map_lookup_elem(&flights, &key);
	if (!f)
		return 0;
	const bool mine = f->nr == current_call();
	if (mine && is_change(f)) {
		changes_over(&key, f, ret);
		return 1;
	}
	if (mine && f->end == END_BY_SIZE)
		__sync_fetch_and_add(&truncating, -1);
	flight_take(&key);
	return mine;
}

__noinline int flight_end(__s64 ret)
{
	const struct flight_key key = { bpf_get_current_pid_tgid(), 0 };

	if (quick_end(key.who, ret))
		return 0;
	struct flight *kept = bpf_map_lookup_elem(&flights, &key);
	if (!kept)
		return 0;
	if (kept->nr == current_call() && is_change(kept)) {
		changes_over(&key, kept, ret);
		return 0;
	}
	struct flight f = *kept;
	flight_take(&key);
	if (f.nr != current_call())
		return 0;
	if (f.end == END_BY_FD)
		return open_end(&f, ret);
	if (f.end == END_BY_SIZE)
		return truncate_end(&f, ret);
	if (f.end == END_MAPPING)
		return mapping_end(&f, ret);
	return protect_end(&f, ret);
}
