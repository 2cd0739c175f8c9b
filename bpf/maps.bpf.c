// SPDX-License-Identifier: GPL-2.0-only
/* maps.bpf.c: the maps and constants of an observation; maps.bpf.h says what they hold. */
#include "maps.bpf.h"

struct ring_map ring SEC(".maps");
struct tree_map tree SEC(".maps");
struct watched_map watched SEC(".maps");
struct flights_map flights SEC(".maps");
struct holders_map holders SEC(".maps");
struct stirred_map stirred SEC(".maps");
struct sums_map sums SEC(".maps");
struct losses_map losses SEC(".maps");
struct told_map told SEC(".maps");
struct who_map who_rooms SEC(".maps");
struct answers_map answers SEC(".maps");
struct quick_map quick SEC(".maps");

const volatile __u32 own_tgid = 0;
const volatile __u32 uring_complete_args = 0;
const volatile __u32 tell_tree = 0;
const volatile __u32 sum_up = 0;
const volatile __u32 uprobe_type = 0;
const volatile __u32 few_faults = 0;

__u64 maybe_watched[MAYBE_BITS / 64];
__u64 maybe_holding[HOLDING_BITS / 64];
__u64 told_faults[FAULT_CELLS];
__u32 flying[FLYING_CELLS];
__u32 truncating;
__u64 last_entered;
struct kcompat compat;
struct klate late;

char LICENSE[] SEC("license") = "GPL";
