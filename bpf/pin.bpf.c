// SPDX-License-Identifier: GPL-2.0-only
/*
 * pin.bpf.c: pages that the kernel holds for somebody to store into: registered buffers of an io_uring, memory regions of
 * RDMA and the like. Such a page stays writable when its mapping and descriptor are gone, with both counters at 0 (seen
 * with io_uring, 6.18), and nothing tells when bytes arrive. What can be told: that there are such pages now.
 *
 * A pin is counted in the folio (include/linux/mm.h, folio_maybe_dma_pinned): in _pincount of a large one, and as 1024 references of
 * a small one. A page that has as many mappings isn't taken for one here: what mappings hold is left out.
 *
 * The page cache is read without its lock, so what comes out may be nonsense where it changes meanwhile: userspace asks twice.
 */
#include "sys.bpf.h"

#define PIN_REFS    1024 /* GUP_PIN_COUNTING_BIAS */
#define SLOTS	    64	 /* XA_CHUNK_SIZE */
#define LEVELS	    7	 /* 6 bits of the index each */
#define BUFFERS_MAX 16	 /* of one registration that are looked at */

/** Who registered a buffer in an object, and which object that was. */
struct pinner {
	__u64 inode;
	__u32 dev, generation;
	__u32 tgid, uid;
	__u64 start_ns;
	char comm[16];
};
/** Objects of which pages were registered since the observation began. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64); /* address of the address_space */
	__type(value, struct pinner);
} pinners SEC(".maps");

/** Slots of one node: too many for the stack. Only the recorder runs the program that uses it. */
struct node_slots {
	__u64 entry[SLOTS];
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct node_slots);
} pin_slots SEC(".maps");

/** One look over the pages of an object. */
struct pin_look {
	__u64 head;   /* root of its page cache */
	__u64 group;  /* number of the first group of SLOTS pages */
	__u64 pinned; /* folios found */
	__u64 at;     /* index of the first one */
};

/* include/linux/xarray.h: nodes and siblings are internal entries, values have bit 0 set. */
static __always_inline bool is_node(__u64 entry)
{
	return (entry & 3) == 2 && entry > 4096;
}

static __always_inline bool is_sibling(__u64 entry)
{
	return (entry & 3) == 2 && entry < SLOTS << 2;
}

/* The head of a folio: flags, mapcount and refcount of its first page lie in it, wherever. One read, as there may be thousands. */
struct folio_start {
	__u64 word[8];
};

static __always_inline __s32 counter_in(const struct folio_start *f, __u32 offset)
{
	return offset <= sizeof(*f) - 4 ? *(const __s32 *)((const char *)f + offset) : 0;
}

/* One entry of the page cache. Not in line, as slot_of: the verifier would follow each round of each loop anew. */
__noinline int look_at(struct pin_look *l, __u64 entry, __u64 index)
{
	struct folio *folio = (void *)entry;
	struct folio_start f;
	__s32 pins = 0;

	if (!l || !entry || entry & 3 || bpf_probe_read_kernel(&f, sizeof(f), folio))
		return 0;
	if (!(f.word[0] & 1ul << bpf_core_enum_value(enum pageflags, PG_head)))
		pins = counter_in(&f, bpf_core_field_offset(folio->_refcount)) -
			       counter_in(&f, bpf_core_field_offset(folio->_mapcount)) >=
		       PIN_REFS;
	else if (bpf_core_field_exists(folio->_pincount))
		pins = BPF_CORE_READ(folio, _pincount.counter);
	if (pins <= 0)
		return 0;
	if (!l->pinned)
		l->at = index;
	l->pinned++;
	return 0;
}

/* Slot of a node in which the index lies; the slot of the entry itself where it takes several. */
__noinline __u64 slot_of(__u64 node_addr, __u64 index, __u32 shift)
{
	struct xa_node *node = (void *)node_addr;
	__u64 entry = 0;
	__u32 slot = index >> shift & (SLOTS - 1);

	bpf_probe_read_kernel(&entry, sizeof(entry), &node->slots[slot]);
	if (is_sibling(entry)) {
		slot = entry >> 2 & (SLOTS - 1);
		bpf_probe_read_kernel(&entry, sizeof(entry), &node->slots[slot]);
	}
	return entry;
}

/* The leaf of a group of pages, or what lies there in its place. */
static __always_inline __u64 leaf_of(const struct pin_look *l, __u64 index)
{
	__u64 entry = l->head;

	for (int i = 0; i < LEVELS && is_node(entry); i++) {
		struct xa_node *node = (void *)(entry - 2);
		__u32 shift = BPF_CORE_READ(node, shift);

		if (!shift)
			break;
		if (shift > 6 * LEVELS || (!i && index >> shift >> 6))
			return 0; /* beyond the last page */
		entry = slot_of(entry - 2, index, shift);
	}
	return entry;
}

static long look_at_group(__u32 i, struct pin_look *l)
{
	__u64 index = (l->group + i) * SLOTS;
	__u64 leaf = leaf_of(l, index);
	struct xa_node *node = (void *)(leaf - 2);
	struct node_slots *s;
	__u32 zero = 0;

	if (!is_node(leaf)) {
		look_at(l, leaf, index);
		return 0;
	}
	s = bpf_map_lookup_elem(&pin_slots, &zero);
	if (!s || bpf_core_read(s, sizeof(*s), &node->slots))
		return 0;
	for (__u32 j = 0; j < SLOTS; j++)
		look_at(l, s->entry[j], index + j);
	return 0;
}

static __always_inline void named(struct kpins *p, const struct pinner *who)
{
	p->tgid = who->tgid;
	p->uid = who->uid;
	p->start_ns = who->start_ns;
	__builtin_memcpy(p->comm, who->comm, sizeof(p->comm));
}

/* Run by bpf(BPF_PROG_RUN). */
SEC("syscall")
int object_pins(struct kpins *p)
{
	__u64 object = p->object, last = object_size(p->object) / 4096 + 1;
	struct address_space *mapping = (void *)object;
	struct pin_look l = { .group = p->first / SLOTS };

	p->error = -ENOENT;
	if (!watch_find(object))
		return 0;
	p->error = 0;
	if (p->n < last && p->first + p->n < last)
		last = p->first + p->n;
	l.head = as_number(BPF_CORE_READ(mapping, i_pages.xa_head));
	if (!is_node(l.head))
		look_at(&l, l.head, 0);
	else if (BPF_CORE_READ(mapping, nrpages))
		bpf_loop((last - l.group * SLOTS + SLOTS - 1) / SLOTS, look_at_group, &l, 0);
	p->pinned = l.pinned;
	p->at = l.at;
	struct pinner *who = bpf_map_lookup_elem(&pinners, &object);
	struct watch *w = watch_find(object);
	if (who && w && who->inode == w->inode && who->dev == w->dev &&
	    who->generation == w->generation)
		named(p, who);
	return 0;
}

/* A buffer at this address of the current process is registered. */
__noinline int pin_begin(__u64 addr)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct mapping m = {};

	if (mapping_at(addr, &m, KHOOK_enter_io_uring_register) <= 0 || !m.object ||
	    !mapping_exposes(&m))
		return 0;
	struct address_space *mapping = (void *)m.object;
	struct inode *host = BPF_CORE_READ(mapping, host);
	struct pinner who = {
		.inode = BPF_CORE_READ(host, i_ino),
		.dev = BPF_CORE_READ(host, i_sb, s_dev),
		.generation = BPF_CORE_READ(host, i_generation),
		.tgid = bpf_get_current_pid_tgid() >> 32,
		.uid = bpf_get_current_uid_gid(),
		.start_ns = BPF_CORE_READ(task, group_leader, start_boottime),
	};
	struct note n = {
		.type = KEV_PINNED,
		.object = m.object,
		.aux = addr,
		.hook = KHOOK_enter_io_uring_register,
	};

	bpf_get_current_comm(who.comm, sizeof(who.comm));
	if (bpf_map_update_elem(&pinners, &m.object, &who, BPF_ANY))
		loss(n.hook, LOSS_MAP_FULL);
	return watch_find(m.object) ? emit(&n) : 0;
}

/** Where the vector of buffers is in the structures of IORING_REGISTER_BUFFERS2 and _UPDATE (<linux/io_uring.h>). */
struct register_many {
	__u32 nr, flags;
	__u64 reserved, data, tags;
};
struct update_many {
	__u32 offset, reserved;
	__u64 data, tags;
	__u32 nr, reserved2;
};
enum { REGISTER_BUFFERS = 0, REGISTER_BUFFERS2 = 15, REGISTER_BUFFERS_UPDATE = 16 };

/* io_uring_register. It pins when it is over; what is told is that it may. */
SEC("bprec_tracepoint/syscalls/sys_enter_io_uring_register")
int register_begin(struct sys_enter *ctx)
{
	struct pt_regs *regs = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
	__u32 opcode = regs->si & 0x7fffffff; /* the top bit: a registered ring */
	__u64 iov = regs->dx, n = regs->r10;
	struct register_many r = {};
	struct update_many u = {};

	if (is_insider())
		return 0;
	if (opcode == REGISTER_BUFFERS2) {
		bpf_probe_read_user(&r, sizeof(r), (void *)iov);
		iov = r.data;
		n = r.nr;
	} else if (opcode == REGISTER_BUFFERS_UPDATE) {
		bpf_probe_read_user(&u, sizeof(u), (void *)iov);
		iov = u.data;
		n = u.nr;
	} else if (opcode != REGISTER_BUFFERS) {
		return 0;
	}
	for (__u32 i = 0; i < BUFFERS_MAX && i < n; i++) {
		__u64 addr = 0, at = iov + i * 16;

		if (!bpf_probe_read_user(&addr, sizeof(addr), (void *)at) && addr)
			pin_begin(addr);
	}
	return 0;
}
