// SPDX-License-Identifier: GPL-2.0-only
/*
 * other.bpf.c: the less common calls: clone, dedupe and space ioctls, MADV_REMOVE, Linux AIO.
 *
 * A call that changes several objects has a flight for each; slot 0 comes first and is there if any is. An ioctl that isn't
 * known may change all of its file.
 */
#include "sys.bpf.h"

#define FICLONE		 0x40049409
#define FICLONERANGE	 0x4020940d
#define FIDEDUPERANGE	 0xc0189436
#define MADV_REMOVE	 9
#define IOCB_CMD_PWRITE	 1
#define IOCB_CMD_PWRITEV 8

/* fallocate by ioctl: FS_IOC_UNRESVSP, FS_IOC_UNRESVSP64, FS_IOC_ZERO_RANGE of <linux/falloc.h>; those of a 32-bit caller
 * have a packed structure. RESVSP changes no byte and no size. */
#define FS_IOC_UNRESVSP	     0x40305829
#define FS_IOC_UNRESVSP64    0x4030582b
#define FS_IOC_ZERO_RANGE    0x40305839
#define FS_IOC_UNRESVSP_32   0x402c5829
#define FS_IOC_UNRESVSP64_32 0x402c582b
#define FS_IOC_ZERO_RANGE_32 0x402c5839

/* Low halves of ioctls that exchange blocks of two files, and where in their argument the other descriptor is:
 * <linux/fs.h> has none of them, they are the filesystems' own. */
enum {
	EXT4_MOVE_EXT = 0x660f,
	XFS_SWAPEXT = 0x586d,
	XFS_EXCHANGE_RANGE = 0x5881,
	XFS_COMMIT_RANGE = 0x5883,
};
enum { UFFDIO_TYPE = 0xaa };		       /* <linux/userfaultfd.h> */
enum { LOOP_TYPE = 0x4c };		       /* <linux/loop.h> */
#define IOC_ONLY_TELLS(cmd) ((cmd) >> 30 == 2) /* _IOR: user space only reads */

/** The second half of struct file_clone_range of <linux/fs.h>, behind the descriptor and the offset of the source. */
struct clone_end {
	__u64 src_length, dest_offset;
};
/** Head of struct file_dedupe_range, and one of its entries. */
struct dedupe_head {
	__u64 src_offset, src_length;
	__u16 dest_count, reserved1;
	__u32 reserved2;
};
struct dedupe_entry {
	__s64 dest_fd;
	__u64 dest_offset, bytes_deduped;
	__s32 status;
	__u32 reserved;
};
/** struct iocb of <linux/aio_abi.h>. */
struct aio_request {
	__u64 data;
	__u32 key, rw_flags;
	__u16 opcode, priority;
	__u32 fd;
	__u64 buf, nbytes, offset;
};

/* Part `slot` of a call changes a range of what a descriptor leads to. 1: it is watched, 0: not. Not static: the verifier
 * then looks at it once, and not again for each round of each loop that calls it (63 ms of loading, 6.18). */
__noinline int call_part(__u32 fd, struct flight *f, __u32 slot)
{
	struct target t = {};

	if (!f || fd_target(fd, &t) != TARGET_WATCHED)
		return 0;
	f->n.object = t.object;
	f->n.flags = 0;
	f->nslots = slot ? 1 : PARTS_MAX;
	if (t.f_flags & O_APPEND && f->n.channel == CH_AIO)
		f->n.flags |= KEVF_RANGE_UNKNOWN;
	if (t.f_flags & O_DIRECT && f->n.channel == CH_AIO) {
		/* ends when nobody looks: no END, so it counts as under way until its process is gone */
		f->n.flags |= KEVF_DIRECT;
		holder_add(HOLDS_FD, f->n.hook);
		flight_open(f);
		return 0;
	}
	flight_keep(f, slot);
	return 1;
}

static __noinline int clone_range(__u32 fd, __u64 arg)
{
	struct flight f = { .n = { .channel = CH_CLONE, .hook = KHOOK_enter_ioctl } };
	struct clone_end r = {};

	bpf_probe_read_user(&r, sizeof(r), (void *)(arg + 2 * sizeof(__u64)));
	f.n.offset = r.dest_offset;
	f.n.length = r.src_length ?: TO_END;
	return call_part(fd, &f, 0);
}

/* The descriptor is that of the source; each entry names one that is compared and, if equal, made to share. */
static __noinline int dedupe(__u64 arg)
{
	struct flight f = { .n = { .channel = CH_DEDUPE, .hook = KHOOK_enter_ioctl } };
	struct dedupe_head head = {};
	__u32 slot = 0;

	bpf_probe_read_user(&head, sizeof(head), (void *)arg);
	if (head.dest_count > PARTS_MAX)
		loss(KHOOK_enter_ioctl, LOSS_READ_FAILED);
	for (__u32 i = 0; i < PARTS_MAX && i < head.dest_count; i++) {
		struct dedupe_entry e = {};
		__u64 at = arg + sizeof(head) + i * sizeof(e);
		bpf_probe_read_user(&e, sizeof(e), (void *)at);
		f.n.offset = e.dest_offset;
		f.n.length = head.src_length;
		slot += call_part(e.dest_fd, &f, slot);
	}
	return 0;
}

/* A hole, or zeros; `at` is where l_start and l_len are in struct space_resv. */
static __noinline int space_range(__u32 fd, __u64 arg, __u32 at)
{
	struct flight f = { .n = { .channel = CH_FALLOCATE, .hook = KHOOK_enter_ioctl } };
	__u64 range[2] = {};
	__s16 whence = -1;

	bpf_probe_read_user(&whence, sizeof(whence), (void *)(arg + 2));
	bpf_probe_read_user(range, sizeof(range), (void *)(arg + at));
	f.n.offset = whence ? 0 : range[0];
	f.n.length = whence ? TO_END : range[1];
	return call_part(fd, &f, 0);
}

/* Known to change no bytes of the file: those of terminals, which programs try on every file; FIBMAP, FIGETBSZ, FIEMAP,
 * FS_IOC_SETFLAGS and FSSETXATTR, RESVSP; and what asks a block or loop device for something. */
static __always_inline bool is_harmless(__u32 cmd)
{
	if (IOC_ONLY_TELLS(cmd) || (cmd >> 8 & 0xff) == 'T')
		return true;
	switch (cmd & 0xffff) {
	case 0x0001:
	case 0x0002:
	case 0x0301: /* HDIO_GETGEO */
	case 0x125e: /* BLKROGET */
	case 0x1260: /* BLKGETSIZE */
	case 0x1261: /* BLKFLSBUF */
	case 0x1263: /* BLKRAGET */
	case 0x1268: /* BLKSSZGET */
	case 0x1278: /* BLKIOMIN */
	case 0x1279: /* BLKIOOPT */
	case 0x127a: /* BLKALIGNOFF */
	case 0x127b: /* BLKPBSZGET */
	case 0x127c: /* BLKDISCARDZEROES */
	case 0x127e: /* BLKROTATIONAL */
	case 0x4c01: /* LOOP_CLR_FD */
	case 0x4c03: /* LOOP_GET_STATUS */
	case 0x4c05: /* LOOP_GET_STATUS64 */
	case 0x5820:
	case 0x5828:
	case 0x582a:
	case 0x6602:
	case 0x660b:
		return true;
	}
	return false;
}

/* Ioctls that change a file in a way which has a name, and in tier 2 a hook. */
enum named {
	NAMED_NONE,
	NAMED_CLONE,
	NAMED_CLONE_RANGE,
	NAMED_DEDUPE,
	NAMED_SPACE,
	NAMED_SPACE_32
};

static __always_inline enum named named(__u32 cmd)
{
	switch (cmd) {
	case FICLONE:
		return NAMED_CLONE;
	case FICLONERANGE:
		return NAMED_CLONE_RANGE;
	case FIDEDUPERANGE:
		return NAMED_DEDUPE;
	case FS_IOC_UNRESVSP:
	case FS_IOC_UNRESVSP64:
	case FS_IOC_ZERO_RANGE:
		return NAMED_SPACE;
	case FS_IOC_UNRESVSP_32:
	case FS_IOC_UNRESVSP64_32:
	case FS_IOC_ZERO_RANGE_32:
		return NAMED_SPACE_32;
	}
	return NAMED_NONE;
}

/* A loop device gets another file, or another part of it: all that is on it changes. A descriptor for reading is enough. */
static __always_inline int loop_begin(__u32 fd, struct flight *f)
{
	f->n.object = file_object(fd_file(fd));
	return watch_find(f->n.object) ? flight_begin(f, 0) : 0;
}

__noinline int ioctl_other(__u32 fd, __u32 cmd, __u64 arg)
{
	struct flight f = {
		.n = { .length = TO_END, .channel = CH_UNKNOWN, .hook = KHOOK_enter_ioctl },
	};
	__u32 what = cmd & 0xffff, slot = 0;
	__s32 words[5] = {};

	if (is_harmless(cmd) || named(cmd) || is_insider())
		return 0;
	if ((cmd >> 8 & 0xff) == UFFDIO_TYPE)
		return uffd_begin(fd, cmd, arg);
	if ((cmd >> 8 & 0xff) == LOOP_TYPE)
		return loop_begin(fd, &f);
	bpf_probe_read_user(words, sizeof(words), (void *)arg);
	if (what ==
	    XFS_SWAPEXT) { /* of the two that it names, by whatever descriptor it is called */
		slot = call_part(words[2], &f, 0);
		return call_part(words[4], &f, slot);
	}
	slot = call_part(fd, &f, 0);
	if (what == EXT4_MOVE_EXT)
		call_part(words[1], &f, slot);
	else if (what == XFS_EXCHANGE_RANGE || what == XFS_COMMIT_RANGE)
		call_part(words[0], &f, slot);
	return 0;
}

__noinline int ioctl_begin(__u32 fd, __u32 cmd, __u64 arg)
{
	struct flight f = { .n = { .channel = CH_CLONE, .hook = KHOOK_enter_ioctl } };

	switch (named(cmd)) {
	case NAMED_CLONE:
		f.n.length = TO_END;
		return call_part(fd, &f, 0);
	case NAMED_CLONE_RANGE:
		return clone_range(fd, arg);
	case NAMED_DEDUPE:
		return dedupe(arg);
	case NAMED_SPACE:
		return space_range(fd, arg, 8);
	case NAMED_SPACE_32:
		return space_range(fd, arg, 4);
	default:
		return ioctl_other(fd, cmd, arg);
	}
}

__noinline int madvise_begin(__u64 addr, __u64 length, __u32 advice)
{
	struct flight f = { .n = { .channel = CH_MADVISE_REMOVE, .hook = KHOOK_enter_madvise } };
	struct mapping m = {};

	if (advice != MADV_REMOVE)
		return 0;
	if (mapping_at(addr, &m, KHOOK_enter_madvise) <= 0 || !mapping_exposes(&m))
		return 0;
	if (!watch_find(m.object))
		return 0;
	f.n.object = m.object;
	f.n.offset = m.offset + (addr - m.start);
	f.n.length = length;
	return flight_begin(&f, 0);
}

/* Reads a request of an io_submit; false: it writes nothing. */
static __always_inline bool aio_write(__u64 request, struct aio_request *ret)
{
	bpf_probe_read_user(ret, sizeof(*ret), (void *)request);
	return ret->opcode == IOCB_CMD_PWRITE || ret->opcode == IOCB_CMD_PWRITEV;
}

/* One request of an io_submit. 1: it changes a watched object. */
__noinline int aio_part(__u64 request, __u32 slot)
{
	struct flight f = { .n = { .channel = CH_AIO, .hook = KHOOK_enter_io_submit } };
	struct aio_request r = {};

	if (!aio_write(request, &r))
		return 0;
	f.n.offset = r.offset;
	f.n.length = r.opcode == IOCB_CMD_PWRITE ? r.nbytes : TO_END;
	return call_part(r.fd, &f, slot);
}

/* One request of an io_submit that is over, and maybe began before what it writes to was watched. */
__noinline int aio_part_over(__u64 at)
{
	struct aio_request r = {};
	__u64 request = 0;
	struct opened to = {};

	bpf_probe_read_user(&request, sizeof(request), (void *)at);
	if (!aio_write(request, &r) || !opened_watched(fd_file(r.fd), &to) || to.f_flags & O_DIRECT)
		return 0;
	return begun_before(&to, 1, KHOOK_enter_io_submit, CH_AIO);
}

__noinline int aio_over(__u64 list, __s64 n)
{
	for (__u32 i = 0; i < PARTS_MAX && i < n; i++)
		aio_part_over(list + i * sizeof(__u64));
	return 0;
}

/* Pointers to the requests are 4 bytes long for a 32-bit caller; the requests are the same. */
__noinline int aio_begin(__u64 list, __u64 n, __u32 pointer_bytes)
{
	__u32 slot = 0;

	if (n > PARTS_MAX)
		loss(KHOOK_enter_io_submit, LOSS_READ_FAILED);
	for (__u32 i = 0; i < PARTS_MAX && i < n; i++) {
		__u64 request = 0;
		bpf_probe_read_user(&request, pointer_bytes == 4 ? 4 : 8,
				    (void *)(list + i * pointer_bytes));
		slot += aio_part(request, slot);
	}
	return 0;
}
