/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * format.h: the bytes of a trace, as C structures. docs/FORMAT.md is the specification.
 *
 * A trace is a directory with the files `events`, `pages`, `manifest` (written last) and `clone-N`.
 * Each of the first three is a file_header followed by frames. A frame is a frame_header followed by
 * `stored_len` bytes, which decompress to `raw_len` bytes: events (events file), hashes and contents of
 * pages (pages file), or one struct manifest.
 *
 * Everything is little-endian and of fixed width. Every struct is a multiple of 8 bytes long and has no
 * hidden padding. Times are CLOCK_MONOTONIC nanoseconds unless their name says otherwise.
 */
#ifndef BPREC_FORMAT_H
#define BPREC_FORMAT_H

#include <assert.h>
#include <stdint.h>

#include "bprec/names.h"

#define BPREC_FORMAT_VERSION 4u		 /* what is written; versions from 1 on are read */
#define BPREC_FILE_MAGIC     "BPRECTR\n" /* 8 bytes, no NUL */
#define BPREC_FRAME_MAGIC    0x52465042u /* "BPFR" */
#define BPREC_PAGE_SIZE	     4096u
#define BPREC_FRAME_RAW_MAX  (2u << 20)	  /* largest raw_len a reader accepts */
#define BPREC_EVENT_MAX	     (512u << 10) /* largest event, header included */
#define BPREC_DATA_INLINE_MAX \
	(64u << 10) /* more output than this goes into EV_DATA before the call */
#define BPREC_DATA_MAX	      (256u << 10) /* largest payload of one EV_DATA */
#define BPREC_FRAME_PAGES_MAX 256u	   /* pages in one frame of contents */
#define BPREC_CLONE_PAGES_MAX 65536u	   /* pages in one frame that refers to a clone */

/** Page ids: 0 is the page of zeros, ids from 1 count the pages in the pages file in order. */
#define BPREC_PAGE_ZERO 0ull
/** Not contents: beyond the end of the object, an access raises SIGBUS. */
#define BPREC_PAGE_ABSENT (~0ull)
/** Not contents: the page is known to have held something that could not be saved. */
#define BPREC_PAGE_LOST (~0ull - 1)

/** Which file of the trace a file_header belongs to. */
enum trace_file { TRACE_EVENTS = 1, TRACE_PAGES = 2, TRACE_MANIFEST = 3 };

/** First bytes of each file. */
struct file_header {
	char magic[8];	      /* BPREC_FILE_MAGIC */
	uint32_t version;     /* BPREC_FORMAT_VERSION */
	uint32_t file;	      /* enum trace_file */
	uint8_t trace_id[16]; /* random, equal in all files of one trace */
	uint64_t hash;	      /* XXH3_64bits of the 32 bytes before */
};
static_assert(sizeof(struct file_header) == 40, "file_header");

/** How the bytes of a frame are stored. */
enum frame_codec { FRAME_PLAIN = 0, FRAME_ZSTD = 1 };
/** What the bytes of a frame are. */
enum frame_kind {
	FRAME_EVENTS = 1, /* events back to back */
	FRAME_PAGES = 2,  /* count 16-byte hashes, then count pages of 4096 bytes */
	FRAME_CLONE =
		3, /* struct clone_ref, then count 16-byte hashes; contents are in the clone */
	FRAME_MANIFEST = 4, /* one struct manifest */
};

/** Head of each frame. */
struct frame_header {
	uint32_t magic;	     /* BPREC_FRAME_MAGIC */
	uint16_t kind;	     /* enum frame_kind */
	uint16_t codec;	     /* enum frame_codec */
	uint32_t raw_len;    /* bytes after decompression, at most BPREC_FRAME_RAW_MAX */
	uint32_t stored_len; /* bytes that follow this header */
	uint64_t seq;	     /* number of this frame in its file, from 0 */
	uint64_t first;	   /* number of its first event (from 0) or id of its first page (from 1) */
	uint32_t count;	   /* events or pages in it */
	uint32_t reserved; /* 0 */
	uint64_t payload_hash; /* XXH3_64bits of the stored bytes */
	uint64_t header_hash;  /* XXH3_64bits of the bytes of this header before this field */
};
static_assert(sizeof(struct frame_header) == 56, "frame_header");

/** Where the pages of a FRAME_CLONE are: page i at offset + i * 4096 of the file `clone-<number>`. */
struct clone_ref {
	uint32_t number;
	uint32_t reserved;
	uint64_t offset; /* bytes, multiple of 4096 */
};
static_assert(sizeof(struct clone_ref) == 16, "clone_ref");

/** How the recorded command ended. */
enum end_kind {
	END_EXITED = 1,
	END_SIGNALED = 2,
	END_FAILED = 3, /* bprec failed; code is an errno */
	END_LEFT = 4	/* it was still running when the watch ended; code 0 */
};

/** The manifest: written when all else is on disk. A trace without one was cut short. */
struct manifest {
	uint64_t events, event_frames, events_bytes; /* counts, and the size of the file */
	uint64_t pages, page_frames, pages_bytes;
	uint64_t clones;      /* number of clone-N files, N from 0 */
	uint64_t events_hash; /* XXH3_64bits over the header_hash of all event frames in order */
	uint64_t pages_hash;  /* the same for the pages file */
	uint64_t start_ns, end_ns;
	uint32_t end_kind; /* enum end_kind */
	int32_t end_code;  /* exit status, signal or errno */
};
static_assert(sizeof(struct manifest) == 96, "manifest");

/** Head of each event; its body follows, and the body's variable part after that. */
struct event_header {
	uint32_t size;	   /* bytes of header and body, multiple of 8, at most BPREC_EVENT_MAX */
	uint16_t type;	   /* enum event_type */
	uint16_t flags;	   /* 0 */
	uint32_t tid, pid; /* the tracee (thread, thread group) it is about; 0: the recorder */
	uint64_t time_ns;  /* when it was written; never decreases */
	uint64_t
		reg_hash; /* regs64__hash (model/regs.h) of the tracee's register file as the event leaves it, 0: none */
};
static_assert(sizeof(struct event_header) == 32, "event_header");

/** Register file in the order of struct user_regs_struct of <sys/user.h> on x86-64 (27 words). */
struct regs64 {
	uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, orig_rax;
	uint64_t rip, cs, eflags, rsp, ss, fs_base, gs_base, ds, es, fs, gs;
};
static_assert(sizeof(struct regs64) == 27 * 8, "regs64");

/** What a trace was made by. */
enum observed {
	OBSERVED_NOT = 0, /* recorded without BPF observation (see EV_GAP) */
	OBSERVED_YES = 1, /* recorded and observed */
	OBSERVED_ONLY =
		2, /* `bprec watch`: observed, nobody was stopped; no calls, registers or private memory */
};

/** EV_START, event 0. Body is followed by argc + envc NUL-terminated strings, then the working directory. */
struct ev_start {
	uint64_t wall_ns;    /* CLOCK_REALTIME at the start */
	uint64_t xcr0;	     /* extended state components the kernel enabled; 0 unknown */
	uint32_t xsave_size; /* bytes of an NT_X86_XSTATE register set */
	uint32_t ncpu;	     /* processors online */
	uint32_t uid, gid;   /* of the command */
	uint32_t argc, envc;
	uint32_t observed;    /* enum observed */
	uint32_t strings_len; /* bytes of strings that follow */
	char release[64];     /* kernel release, NUL-padded */
	char version[16];     /* bprec version, NUL-padded */
};

/** EV_HOOK: one kernel hook and whether it serves this recording. */
struct ev_hook {
	uint32_t state; /* enum hook_state */
	int32_t error;	/* errno of the refusal, 0 if none */
	char name[64];	/* e.g. "tp_btf/page_fault_user" */
	char serves
		[64]; /* channels that depend on it, blank-separated names; "" if it is only a help */
};

/** How a task came to be. */
enum process_how { PROC_ROOT = 1, PROC_FORK = 2, PROC_VFORK = 3, PROC_CLONE = 4, PROC_THREAD = 5 };

/** EV_PROCESS: header.tid/pid are the new task. */
struct ev_process {
	uint32_t how;	      /* enum process_how */
	uint32_t parent_tid;  /* 0 for the root */
	uint64_t clone_flags; /* CLONE_*, 0 for the root */
	uint32_t space;	      /* id of its address space (from 1); shared by CLONE_VM */
	uint32_t group;	      /* share group it starts in (DESIGN 8) */
};

/** EV_EXEC: the task has a new image. MAP, MEM events for it follow. Body is followed by auxv_len bytes of
 *  auxiliary vector as the program sees it, xsave_len bytes of NT_X86_XSTATE, and the executable's path with NUL. */
struct ev_exec {
	struct regs64 regs;  /* at the first instruction */
	uint32_t space;	     /* id of the new address space */
	uint32_t former_tid; /* thread that called execve (man 2 ptrace, PTRACE_EVENT_EXEC) */
	uint32_t auxv_len, xsave_len, path_len, reserved;
	uint64_t brk; /* start of the heap */
};

/** EV_EXIT: a thread is gone. */
struct ev_exit {
	uint32_t kind;		  /* enum end_kind */
	int32_t code;		  /* exit status or signal */
	uint64_t clear_child_tid; /* address where the kernel stored 0; 0: none known */
};

/** Flags of ev_syscall. */
enum syscall_flags {
	SYSCALL_SUBSTITUTED = 1, /* bprec answered it, the kernel did not carry it out */
	SYSCALL_SCRATCH =
		2, /* outputs went through a scratch area and were copied at the exit stop */
	SYSCALL_INTERRUPTED = 4, /* ret is -ERESTART*, the kernel restarts or turns it into EINTR */
	SYSCALL_NO_RETURN = 8,	 /* exit, exit_group, execve that succeeded */
	SYSCALL_PARTIAL = 16,	 /* not all outputs could be read */
	SYSCALL_LOGGED =
		32, /* made without a stop, and written down at the next one: event_header.time_ns is later, its reg_hash 0 */
};

/** One output buffer of a call; its bytes follow all buf_refs, each padded to 8. */
struct buf_ref {
	uint64_t addr; /* in the tracee */
	uint32_t len;  /* bytes */
	uint32_t arg;  /* number of the argument it came from, 0 to 5; 6: other */
};

/** EV_SYSCALL: a call has returned. Followed by nbufs buf_refs and their bytes. EV_DATA events of the same
 *  thread since its previous EV_SYSCALL are outputs of this call too, and come first. */
struct ev_syscall {
	uint32_t nr;
	uint32_t flags; /* enum syscall_flags */
	uint64_t args[6];
	int64_t ret;	   /* result or -errno */
	uint64_t entry_ns; /* before the tracee was continued from the entry stop */
	uint32_t nbufs;
	uint32_t bufs_len; /* bytes of buf_refs and padded contents */
};

/** EV_SYSCALL_ENTER: the thread is inside a call and another thread of its group goes on meanwhile. */
struct ev_syscall_enter {
	uint32_t nr, reserved;
	uint64_t args[6];
};

/** EV_DATA: bytes that the kernel stored at addr. Followed by len bytes, padded to 8. */
struct ev_data {
	uint64_t addr;
	uint32_t len; /* at most BPREC_DATA_MAX */
	uint32_t why; /* enum data_why */
};

/** Why there is an EV_DATA. */
enum data_why {
	DATA_SYSCALL = 1, /* output of the call that ends with this thread's next EV_SYSCALL */
	DATA_KERNEL =
		2, /* stored by the kernel outside a call's end (thread ids at clone, clear_child_tid, robust list) */
	DATA_PATCH = 3, /* stored by bprec */
};

/** Where a signal came in: where the thread's last event left it, at the instruction that raised it, between two calls. One
 *  that has a handler, and one that stops or ends a thread whose group goes on, is preceded by the EV_REGS (REGS_PREEMPT) of
 *  its place; others between two calls have no place of their own. */
enum signal_place { SIGNAL_AT_SYSCALL = 1, SIGNAL_SYNC = 2, SIGNAL_PREEMPT = 3 };
/** What a signal did. */
enum signal_action {
	SIGNAL_HANDLER = 1,
	SIGNAL_IGNORED = 2,
	SIGNAL_FATAL = 3,
	SIGNAL_STOP = 4,
	SIGNAL_DEFAULT = 5
};

/** EV_SIGNAL. Followed by xsave_len bytes of extended state at handler entry, then frame_len bytes of the signal
 *  frame from regs_after.rsp on, each padded to 8; both 0 unless action is SIGNAL_HANDLER. */
struct ev_signal {
	uint32_t signo;
	uint32_t place;	 /* enum signal_place */
	uint32_t action; /* enum signal_action */
	uint32_t xsave_len, frame_len, reserved;
	uint8_t siginfo[128]; /* siginfo_t */
	struct regs64 regs_before, regs_after;
};

/** Why registers were written down. */
enum regs_why { REGS_SIGRETURN = 1, REGS_PREEMPT = 2 };

/** EV_REGS. Followed by xsave_len bytes of extended state. REGS_PREEMPT: the thread was stopped between two
 *  calls, because another thread of its group goes on, or for a signal: EV_SIGNAL (SIGNAL_PREEMPT) comes next then (DESIGN
 *  8). The thread's events before it are EV_WORDS and then EV_MEMHASH, either of which may be missing. */
struct ev_regs {
	uint32_t why; /* enum regs_why */
	uint32_t xsave_len;
	struct regs64 regs;
};

/** Flags of ev_object. */
enum object_flags {
	OBJECT_DEVICE = 1,   /* a device or kernel memory: its contents are not in the trace */
	OBJECT_ANON_SHM = 2, /* MAP_SHARED|MAP_ANONYMOUS, memfd or SysV: no name outside */
};

/** EV_OBJECT: a page-cache object (DESIGN 2) that an insider maps. Followed by path_len bytes of path with NUL. */
struct ev_object {
	uint32_t object;       /* id, from 1 */
	uint32_t flags;	       /* enum object_flags */
	uint32_t major, minor; /* of s_dev */
	uint64_t inode;
	uint32_t generation; /* i_generation */
	uint32_t fs_magic;   /* s_magic, 0 unknown */
	uint64_t size;	     /* bytes, when first mapped */
	uint32_t path_len, reserved;
};

/** A run of pages: count pages with ids first, first + step, ... */
struct page_run {
	uint64_t first; /* page id, or BPREC_PAGE_* */
	uint32_t count;
	uint32_t step; /* 0 or 1 */
};

/** Why an object's pages were saved. */
enum pages_why { PAGES_MAPPED = 1, PAGES_CHANGED = 2, PAGES_COMPARED = 3, PAGES_INSIDER = 4 };

/** EV_PAGES: from here on, pages [first, first + npages) of an object hold these contents. Followed by runs. */
struct ev_pages {
	uint32_t object;
	uint32_t why;	  /* enum pages_why */
	uint64_t first;	  /* page index in the object */
	uint64_t npages;  /* sum of the runs' counts */
	uint64_t size;	  /* bytes of the object now */
	uint64_t read_ns; /* when the reading was over */
	uint32_t nruns, reserved;
};

/** Kinds of mappings that are not of an object. */
enum map_kind {
	MAP_KIND_OBJECT = 1,
	MAP_KIND_ANON = 2,
	MAP_KIND_STACK = 3,
	MAP_KIND_HEAP = 4,
	MAP_KIND_SPECIAL = 5 /* vsyscall and such */,
	MAP_KIND_BPREC = 6 /* bprec's own page or scratch */
};

/** EV_MAP: a new mapping in the address space of header.tid; it replaces what was there. */
struct ev_map {
	uint64_t addr, len; /* bytes, multiples of the page size */
	uint32_t prot;	    /* PROT_* */
	uint32_t flags;	    /* MAP_* as given; MAP_SHARED or MAP_PRIVATE for those of exec */
	uint64_t offset;    /* bytes in the object */
	uint32_t object;    /* id, 0 for anonymous private memory */
	uint32_t kind;	    /* enum map_kind */
};
/** EV_UNMAP. */
struct ev_unmap {
	uint64_t addr, len;
};
/** EV_PROTECT. */
struct ev_protect {
	uint64_t addr, len;
	uint32_t prot, reserved;
};
/** EV_REMAP: mremap. */
struct ev_remap {
	uint64_t old_addr, old_len, new_addr, new_len;
	uint32_t flags, reserved;
};

/** EV_MEM: private contents of pages of the address space of header.tid (copied pages, initial stack). Runs follow. */
struct ev_mem {
	uint64_t addr; /* bytes, page aligned */
	uint64_t npages;
	uint32_t nruns, reserved;
};

/** EV_OBJECT_WRITE: an insider changed a mapped object by a call (DESIGN 12, rule 5). The PAGES event with the new
 *  contents is event number `pages_event`. */
struct ev_object_write {
	uint32_t object;
	uint32_t channel;	 /* enum channel */
	uint64_t offset, length; /* bytes; length ~0: to the end */
	uint64_t pages_event;	 /* ~0: none */
};

/** Flags of ev_change. */
enum change_flags {
	CHANGE_SAVED = 1,	  /* the new bytes are in the trace (pages_event) */
	CHANGE_IN_FLIGHT = 2,	  /* it had not ended when it was saved */
	CHANGE_RANGE_UNKNOWN = 4, /* offset and length are those of the whole object */
	CHANGE_BY_COMPARE = 8,	  /* found by comparing contents */
	CHANGE_PAGE_RANGE = 16,	  /* offset and length are rounded to pages */
	CHANGE_SHRUNK = 32,	  /* private copies beyond the new end were dropped too */
	CHANGE_EXPOSED = 64,	  /* a first store: more may follow unseen (DESIGN 12, rule 13) */
	CHANGE_REMOTE =
		128, /* memory of a tracee, not an object: offset is an address, see insiders[0] */
	CHANGE_CROWDED =
		256, /* another change of it had begun before it was read (told by watch), or count > 1 */
	CHANGE_DOUBTFUL =
		512, /* it isn't known whether the call changed this object or another one */
};

/** What a thread that maps the changed pages was doing. */
enum insider_state {
	INSIDER_STOPPED = 1,	  /* in a ptrace stop, or not yet started */
	INSIDER_IN_CALL = 2,	  /* in a call that cannot touch the pages */
	INSIDER_CALL_TOUCHES = 3, /* in a call that reads or writes the pages */
	INSIDER_RUNNING = 4,	  /* may have run user code */
};

/** One thread that maps the changed pages. */
struct change_insider {
	uint32_t tid, pid;
	uint64_t addr; /* where it maps the first changed page */
	uint64_t
		idle_from_ns; /* since then it can't have touched the pages, up to saved_ns; ~0: it may have */
	uint32_t state; /* enum insider_state when the change was saved */
	uint32_t flags; /* 1: private mapping */
};

/** EV_CHANGE: something outside changed a watched object. Followed by ninsiders change_insiders. */
struct ev_change {
	uint32_t object;	 /* 0 with CHANGE_REMOTE */
	uint32_t channel;	 /* enum channel */
	uint32_t flags;		 /* enum change_flags */
	uint32_t writer;	 /* id of an EV_WRITER, 0: nobody could be named */
	uint64_t offset, length; /* bytes in the object */
	uint64_t begin_ns;	 /* earliest moment at which new bytes could be seen */
	uint64_t end_ns;	 /* when the writer had finished; 0: unknown */
	uint64_t saved_ns;	 /* when the reading of the new bytes was over; 0: not saved */
	uint64_t new_size;	 /* bytes of the object after it */
	uint64_t pages;		 /* mapped pages in the range */
	uint64_t pages_changed;	 /* of these, pages whose contents differ from those saved before */
	uint64_t
		pages_event; /* number of the EV_PAGES with the new contents, ~0: none (nothing differed, or lost) */
	uint64_t after_event; /* number of the last event of an insider that maps it */
	uint64_t
		count; /* how many single changes this event sums up; 0: counted in another event */
	uint32_t ninsiders;
	uint32_t
		stack; /* id of the EV_STACK that tells where the writer was; 0: it has none. It may come later, or not at all */
};

/** EV_WRITER: an outsider. Followed by exe, cgroup and cmdline (arguments joined by blanks), each with NUL; then, since version 3,
 *  the build id of exe in hexadecimal digits ("" if unknown), with NUL. One of the same id, pid and start_ns replaces it. */
struct ev_writer {
	uint32_t writer; /* id, from 1 */
	uint32_t pid, tid, uid;
	uint64_t start_ns; /* start of the process since boot, 0 unknown */
	char comm[16];
	uint32_t strings_len;
	uint32_t ns_pid; /* the process's id in its own pid namespace, 0 unknown */
};

/** How a frame of a stack was found. */
enum stack_how {
	STACK_PLACE = 1,   /* it is where the thread was */
	STACK_TABLES = 2,  /* by the unwind tables of the function that it called */
	STACK_POINTER = 3, /* by the frame pointer: likely, and no more */
};
/** One frame of a stack. */
struct stack_frame {
	uint64_t pc;	 /* address: where it was, or would go on */
	uint64_t offset; /* of pc in the function; without one, in the file */
	uint32_t how;	 /* enum stack_how */
	uint32_t reserved;
};
#define STACK_FRAMES_MAX 64
#define STACK_STRING_MAX 1000 /* bytes of a name that are kept */
/** EV_STACK: where an outsider was when it made changes, or an insider when it was stopped after one. Followed by nframes
 *  stack_frames, innermost first, then for each of them three strings with NUL: function, file, and the file's build id in hexadecimal
 *  digits; "" if unknown. */
struct ev_stack {
	uint32_t stack;	   /* id, from 1 */
	uint32_t writer;   /* id of an EV_WRITER; 0: of an insider */
	uint32_t pid, tid; /* whose it is */
	uint64_t change;   /* an insider's: number of the EV_CHANGE; ~0: none */
	uint32_t nframes;  /* 1 to STACK_FRAMES_MAX */
	uint32_t strings_len;
};

/** EV_EXPOSURE: from here on an outsider can change the object. */
struct ev_exposure {
	uint32_t exposure; /* id, from 1 */
	uint32_t object;
	uint32_t kind;		 /* enum exposure_kind */
	uint32_t writer;	 /* id of an EV_WRITER, 0: nobody could be named */
	uint64_t since_ns;	 /* may be earlier than this event */
	uint64_t offset, length; /* bytes of the object that it reaches; length ~0: all */
};
/** EV_EXPOSURE_END. */
struct ev_exposure_end {
	uint32_t exposure, reserved;
	uint64_t ns;
};

/** EV_GAP: what could not be observed. Followed by reason_len bytes of text with NUL. */
struct ev_gap {
	uint32_t kind;	  /* enum gap_kind */
	uint32_t channel; /* enum channel */
	uint32_t object;  /* 0: all */
	uint32_t reason_len;
};

/** Flags of ev_compare: what was left out. Without any, all that insiders map was read. */
enum compare_flags {
	COMPARE_LIKELY = 1,  /* pages that no outsider's page tables showed */
	COMPARE_PARTIAL = 2, /* pages that there was no time for */
};
/** EV_COMPARE: contents of an exposed object were compared with those saved last. */
struct ev_compare {
	uint32_t object;
	uint32_t flags;		 /* enum compare_flags */
	uint64_t from_ns, to_ns; /* previous look (or snapshot) and this one */
	uint64_t pages, pages_changed;
};

/** EV_LOSS: events were lost. */
struct ev_loss {
	uint32_t kind;	  /* enum loss_kind */
	uint32_t channel; /* enum channel that suffers, CH_UNKNOWN: any */
	uint64_t count;
	char hook[64];
};

/** What an EV_NOTE says. */
enum note_kind { NOTE_UNKNOWN_SYSCALL = 1, NOTE_REFUSED = 2, NOTE_32BIT = 3, NOTE_TEXT = 4 };
/** EV_NOTE: something a reader of the trace should know. Followed by text_len bytes with NUL. */
struct ev_note {
	uint32_t kind;
	uint32_t nr;
	uint32_t text_len, reserved;
};

/** EV_GROUP: header.tid 0: share groups `from` and `into` are one from here on; else that thread alone moves to `into`. */
struct ev_group {
	uint32_t from, into;
};

/** EV_OUTPUT: bytes that a call moved to an inherited descriptor without passing the program's memory
 *  (sendfile, splice). Followed by len bytes. */
struct ev_output {
	uint32_t fd, len;
};

/** Instructions of chance that bprec carries out in the program's place (DESIGN 8). */
enum insn_kind { INSN_CPUID = 1, INSN_RDTSC = 2, INSN_RDTSCP = 3 };
/** EV_INSN: the thread ran into a patched instruction at addr (its first byte is int3, see DATA_PATCH), or into
 *  an unpatched rdtsc or rdtscp that faulted. The registers are
 *  those after it; rip is addr + length then. Or the thread asked cpuid in a place that jumps to bprec's page, what isn't known there
 *  (docs/REPLAY.md): addr is in that page. cpuid sets all four to 32 bits; rdtsc rax and rdx; rdtscp rcx too. */
struct ev_insn {
	uint32_t kind;	 /* enum insn_kind */
	uint32_t length; /* bytes of the original instruction */
	uint64_t addr;
	uint64_t rax, rbx, rcx, rdx;
};

/** A word of memory, at a preemption point. */
struct mem_word {
	uint64_t addr;	/* multiple of 8 */
	uint64_t value; /* what the 8 bytes there hold */
};
/** EV_WORDS: words of memory that tell rounds of a loop apart, at the point of the thread's EV_REGS (REGS_PREEMPT) that
 *  follows as its next event but EV_MEMHASH. Followed by nwords mem_words (at most 64), the most telling first. */
struct ev_words {
	uint32_t nwords, reserved;
};

/** Flags of ev_memhash. */
enum memhash_flags {
	MEMHASH_PARTIAL = 1, /* not every writable page of the address space is in it */
	MEMHASH_POINT =
		2, /* taken at the point of the EV_REGS (REGS_PREEMPT) that is the thread's next event but EV_WORDS */
};
/** EV_MEMHASH: hashes of pages of the address space of header.tid, which is stopped where its previous event left it
 *  (MEMHASH_POINT: where its next EV_REGS finds it). Followed by nruns memhash_runs and npages u32: the low half of
 *  XXH3_64bits of each page, 0 for a page of zeros or one that isn't there. */
struct ev_memhash {
	uint64_t xstate_hash; /* of the thread's extended state (model/regs.h), 0: none */
	uint32_t flags;	      /* enum memhash_flags */
	uint32_t nruns, npages, reserved;
};
/** A run of pages of an EV_MEMHASH. */
struct memhash_run {
	uint64_t addr;	 /* bytes, page aligned */
	uint64_t npages; /* in the run */
};

/** EV_LIMIT: a resource limit of the thread's process, as it is at its exec. */
struct ev_limit {
	uint32_t resource,
		reserved; /* RLIMIT_* (RLIMIT_STACK alone: it bounds the growth of the stack) */
	uint64_t soft;	  /* bytes, ~0: none */
};

/** EV_END, the last event of a complete trace. */
struct ev_end {
	uint32_t kind;
	int32_t code; /* as in the manifest */
};

#define BPREC_BODY_8(type) static_assert(sizeof(struct type) % 8 == 0, #type)
BPREC_BODY_8(ev_start);
BPREC_BODY_8(ev_hook);
BPREC_BODY_8(ev_process);
BPREC_BODY_8(ev_exec);
BPREC_BODY_8(ev_exit);
BPREC_BODY_8(ev_syscall);
BPREC_BODY_8(ev_syscall_enter);
BPREC_BODY_8(ev_data);
BPREC_BODY_8(ev_signal);
BPREC_BODY_8(ev_regs);
BPREC_BODY_8(ev_object);
BPREC_BODY_8(page_run);
BPREC_BODY_8(ev_pages);
BPREC_BODY_8(ev_map);
BPREC_BODY_8(ev_protect);
BPREC_BODY_8(ev_remap);
BPREC_BODY_8(ev_mem);
BPREC_BODY_8(ev_object_write);
BPREC_BODY_8(change_insider);
BPREC_BODY_8(ev_change);
BPREC_BODY_8(ev_writer);
BPREC_BODY_8(stack_frame);
BPREC_BODY_8(ev_stack);
BPREC_BODY_8(ev_exposure);
BPREC_BODY_8(ev_gap);
BPREC_BODY_8(ev_compare);
BPREC_BODY_8(ev_loss);
BPREC_BODY_8(ev_note);
BPREC_BODY_8(ev_output);
BPREC_BODY_8(ev_insn);
BPREC_BODY_8(mem_word);
BPREC_BODY_8(ev_words);
BPREC_BODY_8(ev_memhash);
BPREC_BODY_8(memhash_run);
BPREC_BODY_8(ev_limit);

#endif
