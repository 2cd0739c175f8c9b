/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * obs.bpf.h: what the BPF programs of an observation share beside their maps (maps.bpf.h): the way from a descriptor to a
 * page-cache object, and the making of events.
 *
 * Chains of kernel pointers are read with bpf_core_read (never dereferenced), so that one set of helpers
 * serves tracepoints, BTF tracepoints, iterators and the syscall program. A failed read gives 0. And for each
 * pointer that is dereferenced in place, the verifier looks through all names of the kernel's BTF, five times (6.18).
 *
 * BTF tracepoints and iterators are in sections "bprec_tp/..." and "bprec_iter/...": userspace/kern/places.c says why.
 */
#ifndef BPREC_OBS_BPF_H
#define BPREC_OBS_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "maps.bpf.h"

enum { PF_KTHREAD = 0x00200000, PF_IO_WORKER = 0x10 };
enum { FMODE_WRITE = 2 };
enum { O_TRUNC = 01000, O_APPEND = 02000, O_DIRECT = 040000 };
enum { VM_WRITE = 2, VM_EXEC = 4, VM_SHARED = 8, VM_MAYWRITE = 0x20 };
enum { ENOENT = 2, EINTR = 4, EBUSY = 16 };
enum { S_IFMT = 0170000, S_IFREG = 0100000, S_IFBLK = 0060000 };
#define OVERLAYFS_MAGIC 0x794c7630
#define PROC_MAGIC	0x9fa0
#define BDEVFS_MAGIC	0x62646576

/* A 32-bit process is told by where its addresses end: the number of the thread flag TIF_ADDR32 has moved (29 in 6.12, another
 * in 6.18). Kernel threads have no mm, which reads as 0. */
static __always_inline bool is_compat_mm(struct mm_struct *mm)
{
	__u64 size = BPF_CORE_READ(mm, task_size);

	return size && size <= 1ull << 32;
}

/** A kernel pointer as a number: the verifier lets no typed pointer into a global function. */
static __always_inline __u64 as_number(const void *pointer)
{
	__u64 number = 0;

	bpf_probe_read_kernel(&number, sizeof(number), &pointer);
	return number;
}

/** In place of a hook: what is lost does no harm. */
#define NO_LOSS KHOOK_MAX

/** Counts a loss of hook `hook`; beyond the last hook the array has no element. */
static __always_inline void loss(__u32 hook, __u32 kind)
{
	__u32 i = hook * LOSS_MAX + kind;
	__u64 *n = bpf_map_lookup_elem(&losses, &i);

	if (n)
		*n += 1;
}

/** True if the current process is in the tree. */
static __always_inline bool is_insider(void)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;

	return bpf_map_lookup_elem(&tree, &tgid) != NULL;
}

/** True if the current thread's fault was told already, within FAULT_TICKS, and nobody else's on the page since: it would tell
 *  userspace nothing. If not, it counts as told now. A cell is a hash of who and where, with a clock in its low bits. */
static __always_inline bool fault_is_told(const struct watch *w, const struct note *n)
{
	struct task_struct *task = bpf_get_current_task_btf();
	const __u64 tick = bpf_ktime_get_ns() >> FAULT_TICK_SHIFT;
	const __u64 where =
		((n->object ^ w->inode << 40) + (n->offset >> 12) * 0xc2b2ae3d27d4eb4full) *
		0x9e3779b97f4a7c15ull;
	const __u64 process =
		task->group_leader->start_boottime + ((__u64)task->self_exec_id << 48);
	const __u64 who = (bpf_get_current_pid_tgid() ^ process * 0xc2b2ae3d27d4eb4full) *
			  0x9e3779b97f4a7c15ull;
	const __u64 tag = (where ^ who ^ who >> 32) & ~0xffffull;
	volatile __u64 *cell = &told_faults[(where >> 48) % FAULT_CELLS];
	const __u64 old = *cell;

	if (few_faults && (old & ~0xffffull) == tag && (__u16)(tick - old) < FAULT_TICKS)
		return true;
	*cell = tag | (tick & 0xffff);
	return false;
}

/** Which bit of maybe_holding is a process's. */
static __always_inline __u32 holding_bit(__u32 tgid)
{
	return tgid * 0x9e3779b1u >> 16;
}

/** False: the current process is no holder. Without a call of a function, as in fd_concerns. */
static __always_inline bool maybe_holder(void)
{
	__u32 bit = holding_bit(bpf_get_current_task_btf()->tgid);

	return maybe_holding[bit / 64] >> bit % 64 & 1;
}

/** Enters a process among the holders, with all its flags. 0, or -1: no room (counted). */
static __always_inline int holder_put(__u32 tgid, __u32 flags, __u32 hook)
{
	__u32 bit = holding_bit(tgid);

	__sync_fetch_and_or(&maybe_holding[bit / 64], 1ull << bit % 64);
	if (!bpf_map_update_elem(&holders, &tgid, &flags, BPF_ANY))
		return 0;
	loss(hook, LOSS_MAP_FULL);
	return -1;
}

/** Which bit of maybe_watched is an object's. */
static __always_inline __u32 maybe_bit(__u64 object)
{
	return (object >> 6) * 0x9e3779b97f4a7c15ull >> 48;
}

/** False: the object isn't watched. */
static __always_inline bool maybe_is_watched(__u64 object)
{
	__u32 bit = maybe_bit(object);

	return maybe_watched[bit / 64] >> bit % 64 & 1;
}

/** Which cells of flying and quick are a thread's, by its pid_tgid. */
static __always_inline __u32 cell_of(__u64 who)
{
	return (who * 0x9e3779b97f4a7c15ull >> 54) % FLYING_CELLS;
}

/** What bpf_get_current_pid_tgid gives, without a call of a function, as in fd_concerns. */
static __always_inline __u64 current_thread(void)
{
	struct task_struct *task = bpf_get_current_task_btf();

	return (__u64)(__u32)task->tgid << 32 | (__u32)task->pid;
}

/** Number of the call that the current thread is in. */
static __always_inline __u16 current_call(void)
{
	struct pt_regs *regs = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());

	return regs->orig_ax;
}

/** False: the thread has no call under way in `flights`. */
static __always_inline bool maybe_flying(__u64 who)
{
	return *(volatile __u32 *)&flying[cell_of(who)];
}

/** The cell of a thread's write. (NULL only for the verifier.) */
static __always_inline struct quick_write *quick_cell(__u64 who)
{
	const __u32 cell = cell_of(who);

	return bpf_map_lookup_elem(&quick, &cell);
}

/** The thread's write that is under way in `quick`; NULL: there is none. */
static __always_inline struct quick_write *quick_find(__u64 who)
{
	struct quick_write *q = quick_cell(who);

	return q && *(volatile __u64 *)&q->who == who ? q : NULL;
}

/** What is under way under a key, NULL: nothing. */
static __always_inline struct flight *flight_find(const struct flight_key *key)
{
	struct quick_write *q = key->slot ? NULL : quick_find(key->who);

	return q ? &q->f : bpf_map_lookup_elem(&flights, key);
}

/** The entry of a watched object; NULL if it isn't watched. A key that now belongs to another object is removed. *key is the caller's:
 *  for programs that have little stack to spare. */
static __always_inline struct watch *watch_find_key(const __u64 *key)
{
	struct watch *w = bpf_map_lookup_elem(&watched, key);
	struct address_space *mapping = (void *)*key;

	if (!w)
		return NULL;
	struct inode *host = BPF_CORE_READ(mapping, host);
	if (w->inode == BPF_CORE_READ(host, i_ino) &&
	    w->generation == BPF_CORE_READ(host, i_generation) &&
	    w->dev == BPF_CORE_READ(host, i_sb, s_dev))
		return w;
	bpf_map_delete_elem(&watched, key);
	return NULL;
}

/** The same. */
static __always_inline struct watch *watch_find(__u64 object)
{
	return watch_find_key(&object);
}

/** What is read of an inode at once: fields that follow each other up to 6.18. */
struct inode_head {
	__u64 sb, mapping, security, ino;
};

/** The same for f_mapping and f_inode of an open file, nearly always with less reads; but it takes more of the stack. */
static __always_inline struct watch *watch_find_open(__u64 object, __u64 inode)
{
	struct watch *w = bpf_map_lookup_elem(&watched, &object);
	struct inode *host = (void *)inode;
	struct inode_head head;

	if (!w)
		return NULL;
	if (bpf_core_field_offset(host->i_ino) == bpf_core_field_offset(host->i_sb) + 24) {
		bpf_core_read(&head, sizeof(head), &host->i_sb);
		struct super_block *sb = (void *)head.sb;
		if (w->inode == head.ino && w->generation == BPF_CORE_READ(host, i_generation) &&
		    w->dev == BPF_CORE_READ(sb, s_dev))
			return w;
	}
	return watch_find(object);
}

/** True for a folio of several pages: bit PG_head of the flags word, which is the first. */
static __always_inline bool folio_is_large(struct folio *folio)
{
	unsigned long flags = 0;

	bpf_probe_read_kernel(&flags, sizeof(flags), folio);
	return flags & 1ul << bpf_core_enum_value(enum pageflags, PG_head);
}

/** i_size of an object. */
static __always_inline __u64 object_size(__u64 object)
{
	struct address_space *mapping = (void *)object;

	return BPF_CORE_READ(mapping, host, i_size);
}

/** Address of the struct file behind a descriptor of the current task, 0 if there is none. In place, not by bpf_core_read: this
 *  runs for every write on the machine, and a read by a helper costs 15 to 30 ns (6.18). */
static __always_inline __u64 fd_file_quick(__u32 fd)
{
	struct fdtable *fdt = bpf_get_current_task_btf()->files->fdt;
	struct file *file = NULL;

	if (fd >= fdt->max_fds)
		return 0;
	bpf_probe_read_kernel(&file, sizeof(file), fdt->fd + fd);
	return (__u64)file;
}

/** The same where time doesn't matter so much: it is verified in a tenth of the time, but takes more of the stack. */
static __always_inline __u64 fd_file(__u32 fd)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct fdtable *fdt = BPF_CORE_READ(task, files, fdt);
	struct file *file = NULL;

	if (fd >= BPF_CORE_READ(fdt, max_fds))
		return 0;
	struct file **slot = BPF_CORE_READ(fdt, fd) + fd;
	bpf_probe_read_kernel(&file, sizeof(file), slot);
	return (__u64)file;
}

/** What matters of an open file, as it follows each other in struct file from 6.12 on. */
struct opened {
	__u32 before;
	__u32 f_mode;
	__u64 op;
	__u64 mapping; /* f_mapping */
	__u64 between;
	__u64 inode; /* f_inode */
	__u32 f_flags;
	__u32 behind;
	__u64 file; /* address of the struct file */
};
#define OPENED_BYTES \
	(__builtin_offsetof(struct opened, behind) - __builtin_offsetof(struct opened, f_mode))

/** Fills it; at once, where the fields are as above. */
static __always_inline void read_opened(__u64 file_addr, struct opened *ret)
{
	struct file *file = (void *)file_addr;
	const __u64 mapping_at = bpf_core_field_offset(file->f_mapping);

	ret->file = file_addr;
	if (bpf_core_field_offset(file->f_mode) + 12 == mapping_at &&
	    bpf_core_field_offset(file->f_inode) == mapping_at + 16 &&
	    bpf_core_field_offset(file->f_flags) == mapping_at + 24) {
		bpf_core_read(&ret->f_mode, OPENED_BYTES, &file->f_mode);
		return;
	}
	ret->mapping = (__u64)BPF_CORE_READ(file, f_mapping);
	ret->inode = (__u64)BPF_CORE_READ(file, f_inode);
	ret->f_mode = BPF_CORE_READ(file, f_mode);
	ret->f_flags = BPF_CORE_READ(file, f_flags);
}

/** False: a descriptor of the current task leads to nothing that matters here, and nothing more has to be done. Most writes on a
 *  machine end here, without a call of a function of ours: with guarded returns (SRSO, 6.18) each call costs 15 to 30 ns. True:
 *  *ret is what it leads to. */
static __always_inline bool fd_concerns(__u32 fd, struct opened *ret)
{
	__u64 file = fd_file_quick(fd);

	if (!file)
		return false;
	read_opened(file, ret);
	if (maybe_is_watched(ret->mapping))
		return true;
	struct inode *inode = (void *)ret->inode;
	__u64 magic = BPF_CORE_READ(inode, i_sb, s_magic);
	return magic == PROC_MAGIC || magic == OVERLAYFS_MAGIC;
}

/** Address of the address_space whose pages a file shows: f_mapping, on overlayfs that of the real inode. */
__u64 file_object(__u64 file);
/** What a descriptor leads to, as far as it concerns an observation. */
struct target {
	__u64 file;   /* address of the struct file */
	__u64 object; /* TARGET_WATCHED */
	__u32 f_flags;
	__u32 pid; /* TARGET_MEM: the thread whose memory it is */
};
enum { TARGET_NONE, TARGET_WATCHED, TARGET_MEM };
/** Sets the range that changes when an object of size `old` gets size `now` bytes. */
static __always_inline void truncate_range(struct note *n, __u64 old, __u64 now)
{
	if (now < old) {
		n->offset = now;
		n->length = TO_END;
		n->flags |= KEVF_SHRINK;
	} else {
		n->offset = old;
		n->length = now - old;
	}
}

/** Looks at an open file, by its address, that was opened for writing. TARGET_WATCHED: it is of a watched object;
 *  TARGET_MEM: /proc/PID/mem of another process (and the current task is an outsider); TARGET_NONE: else, or 0. */
int file_target(__u64 file, struct target *ret);
/** The same of a descriptor of the current task. */
static __always_inline int fd_target(__u32 fd, struct target *ret)
{
	return file_target(fd_file(fd), ret);
}
/** The same of a file that was read. */
int opened_target(const struct opened *o, struct target *ret);
/** TARGET_MEM is written: offset and length of *range are addresses there; ns 0: now. */
int mem_written(const struct note *range, __u32 pid);
/** Enters an object as watched; own: how many shared mappings of it that may be written the insider itself has by then. 1: new, 0: was
 *  watched already, -1: it can't be entered. */
int watch_enter(__u64 object, __u32 own, __u32 hook);
/** Watches the block device on which the file system of a new one lies, and the disk of which that is a part: what is written
 *  there goes by the page caches of the files, which show it where they read again. Not seen: devices of a filesystem that has
 *  several (btrfs). Those below a device mapper and the file of a loop device are entered by userspace (watch_below). */
int watch_device(__u64 object, __u32 hook);
/** Watches what a file shows on which such a device lies in turn, as that, and the devices on which it lies. 0, -1: it can't be. */
int watch_below(__u64 object, __u32 hook);
/** Enters the object of a note as watched (by an insider's mapping) and emits the note, with its type. */
int watch_noted(struct note *n);
/** Tells that an insider's memory has had breakpoints put into it by the kernel (uprobes), if it has. mm is an address. */
int uprobe_look(__u64 mm, __u32 hook);
/** The kernel has opened a file by itself: tells of all watched objects that are open for writing. */
int kernel_opened(__u32 hook);
/** Tells that mappings of the current process, an insider, changed. */
int stir(__u32 hook);
/** The current process, an insider, has a new image. */
int exec_told(__u32 hook);
/** Puts an event into the ring. ns 0: now. 0, or -1 if it was lost (and counted). */
int emit(const struct note *n);
/** What became of a change that was to be summed up. */
enum { SUM_NONE, SUM_JOINED, SUM_FIRST };
/** A call begins. SUM_JOINED: it is part of a sum that userspace knows of; SUM_FIRST: of a new one, which has to be announced,
 *  SUM_NONE: it can't be summed up. Sets f->sum. */
int sum_begin(struct flight *f);
/** It ends, as f->n says now (KEVF_FAILED: its range is as announced); asked: the length that was announced. 1: its sum was closed,
 *  and is over. */
int sum_end(const struct flight *f, __u64 asked);
/** A SUM_FIRST could not be announced: the slot is free again. */
int sum_drop(__u32 slot);
/** Announces a change whose end nobody sees; f as for flight_begin. */
int flight_open(struct flight *f);
/** A call was put into the table. (One in place of another, whose end nobody saw, counts twice: that costs time, and no more.) */
static __always_inline void flight_kept(__u64 who, __u64 slot)
{
	if (!slot)
		__sync_fetch_and_add(&flying[cell_of(who)], 1);
}
/** Takes a thread's call, which was found, out of the table. */
static __always_inline void flight_take(const struct flight_key *key)
{
	if (!bpf_map_delete_elem(&flights, key))
		__sync_fetch_and_add(&flying[cell_of(key->who)], -1);
}
/** Announces a change that begins, in a record of its own or as part of a sum. */
static __always_inline void flight_announce(struct flight *f)
{
	if (sum_begin(f) != SUM_JOINED && flight_open(f) < 0 && f->sum) {
		sum_drop(f->sum - 1);
		f->sum = 0;
	}
}
/** Announces a change that begins and keeps it until flight_end; f is complete but for ns, size, aux, and lives on the
 *  stack: up to 6.1 bpf_map_update_elem takes nothing that a global function got as its argument. */
static __always_inline int flight_begin(struct flight *f, __u64 slot)
{
	struct flight_key key = { f->who ?: bpf_get_current_pid_tgid(), slot };

	f->nr = current_call();
	flight_announce(f);
	if (bpf_map_update_elem(&flights, &key, f, BPF_ANY)) {
		loss(f->n.hook, LOSS_MAP_FULL);
		return -1;
	}
	flight_kept(key.who, slot);
	return 0;
}
/** The same of a write by the current thread. */
static __always_inline int quick_begin(struct flight *f)
{
	const __u64 who = bpf_get_current_pid_tgid();
	struct quick_write *q = quick_cell(who);
	const __u64 old = q ? __sync_val_compare_and_swap(&q->who, 0, who) : 1;

	if (!q || (old && old != who))
		return flight_begin(f, 0);
	f->nr = current_call();
	flight_announce(f);
	q->f = *f;
	return 0;
}
/** The same, of the current thread, for what a global function got as its argument: a copy on the stack would be too much for it
 *  (512 bytes in all). What is announced late gets only its beginning. */
static __always_inline void flight_keep(struct flight *f, __u64 slot)
{
	static const struct flight none = {};
	struct flight_key key = { bpf_get_current_pid_tgid(), slot };
	struct flight *kept = NULL;

	if (f->end < END_LATE)
		flight_open(f);
	else
		f->n.ns = bpf_ktime_get_ns();
	if (!bpf_map_update_elem(&flights, &key, &none, BPF_ANY))
		kept = bpf_map_lookup_elem(&flights, &key);
	if (kept) {
		*kept = *f;
		kept->nr = current_call();
		flight_kept(key.who, slot);
	} else {
		loss(f->n.hook, LOSS_MAP_FULL);
	}
}
/** Ends the current thread's call with this result, whatever its kind. */
int flight_end(__s64 ret);
/** The same where the call can only be one that changes something, or has failed: a program with this is verified in half the
 *  time. 1: it was under way, 0: not. */
int flight_end_change(__s64 ret);
/** Ends one change: emits KEV_END with the range that it really had. */
int flight_finish(struct flight *f, __s64 ret);
/** Ends the write of a thread, the current one; false: there is none in `quick`. */
static __always_inline bool quick_end(__u64 who, __s64 ret)
{
	struct quick_write *q = quick_find(who);

	if (!q)
		return false;
	if (q->f.nr == current_call())
		flight_finish(&q->f, ret);
	*(volatile __u64 *)&q->who = 0;
	return true;
}
/** Emits KEV_BEGIN with f->n.ns, then KEV_END. */
int flight_late(struct flight *f, __s64 ret);
/** May a call that ends now have begun before its object was entered? Calls that take longer aren't told (write.bpf.c). */
#define ENTERED_JIFFIES 10000
static __always_inline bool entered_lately(void)
{
	return bpf_jiffies64() - last_entered < ENTERED_JIFFIES;
}
/** What begun_before needs of a file, if its own object is watched. Not by a bit of the hash alone: of a file of overlayfs the real
 *  one is told. */
static __always_inline bool opened_watched(__u64 file, struct opened *ret)
{
	read_opened(file, ret);
	return maybe_is_watched(ret->mapping) && bpf_map_lookup_elem(&watched, &ret->mapping);
}
/** Who makes a write: the channel that the current thread's call is, CH_UNKNOWN: none that writes. direct: of O_DIRECT. */
int write_channel(__u32 direct);
/** A write of the current thread is over, of which no beginning was told: tells of both if what it led to is watched by now.
 *  ret: its result; channel: CH_UNKNOWN: that of its call. */
int begun_before(const struct opened *to, __s64 ret, __u32 hook, __u32 channel);
/** Notes that the current process is a 32-bit one, if it is. */
int compat_exec(void);
/** Ends what this thread or kiocb announced at the choke point of this hook (ANY_HOOK: at any); as_begun: with the range
 *  that was announced. 1: it was under way, 0: not. */
int choke_end(__u64 who, __s64 ret, __u32 hook, __u32 as_begun);
#define ANY_HOOK KHOOK_MAX
/** An open with O_TRUNC, of this object, is over: tells of it if it is watched. */
int open_cut(struct flight *f, __u64 object);
/** What flight_end does for END_BY_FD: the descriptor tells the object. (Without fd_target: O_RDONLY | O_TRUNC truncates too, as seen
 *  on tmpfs and ext4, 6.18.) */
static __always_inline int open_end(struct flight *f, __s64 ret)
{
	return ret < 0 ? 0 : open_cut(f, file_object(fd_file_quick(ret)));
}
/** The same for END_BY_SIZE: looks over the watched objects. */
int truncate_end(struct flight *f, __s64 ret);
/** The same for END_MAPPING. */
int mapping_end(struct flight *f, __s64 ret);
/** The same for END_PROTECT. */
int protect_end(struct flight *f, __s64 ret);
/** Notes that the current process holds (HOLDS_*) a watched object. */
int holder_add(__u32 flags, __u32 hook);
/** What HOLDS_MAP says of an outsider: userspace then attaches the hooks that matter only then (BPREC_KHOOKS_LATE). */
static __always_inline void want_late(void)
{
	if (!late.wanted)
		late.wanted = 1;
}
/** A mapping of the current process. */
struct mapping {
	__u64 object;	  /* address of the address_space, 0: not of a file */
	__u64 start, end; /* addresses */
	__u64 flags;	  /* VM_* */
	__u64 offset;	  /* in the object, of start */
};
/** Finds the mapping at an address of the current process. 1: found, 0: there is none, -1: the lock was busy (counted). */
int mapping_at(__u64 addr, struct mapping *ret, __u32 hook);
/** True if stores through a mapping may reach the object, now or after mprotect. */
static __always_inline bool mapping_exposes(const struct mapping *m)
{
	return (m->flags & (VM_SHARED | VM_MAYWRITE)) == (VM_SHARED | VM_MAYWRITE);
}
/** The place in its program where the current task is: a number that differs between call sites; 0: it has none. */
__u64 user_site(void);
/** Notes that the program which runs has an event of an outsider at this site: who_tell will tell of it. */
int who_wanted(__u64 site);
/** What a program may do beside its own work. */
enum who_context {
	WHO_CALL, /* anything */
	WHO_FAULT, /* not ask for mappings: bpf_find_vma can't be used twice while interrupts are off */
	WHO_KERNEL_FAULT, /* nor read memory that may not be there: its own program would be skipped, which counts as a loss */
};
/** What who_tell does if somebody is wanted. */
int who_tell_wanted(__u32 context);
/** Tells of the current task if that is wanted: the last thing a program does. context: enum who_context. */
static __always_inline int who_tell(__u32 context)
{
	const __u32 zero = 0;
	const struct who_room *room = bpf_map_lookup_elem(&who_rooms, &zero);

	return room && room->wanted ? who_tell_wanted(context) : 0;
}
/** Copies the last 63 bytes of a path inside its mount, 0-terminated; dentry is an address. */
int exe_path(__u64 dentry, struct exe_name *dst);
/** Address of the dentry of a task's executable. */
static __always_inline __u64 exe_dentry(struct task_struct *task)
{
	return (__u64)BPF_CORE_READ(task, mm, exe_file, f_path.dentry);
}

#endif
