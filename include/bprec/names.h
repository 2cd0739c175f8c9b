/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * names.h: every enumeration that is stored in a trace or shown to a person, with its text, once.
 *
 * Each list is an X-macro X(ID, number, "text"); numbers are part of the trace format (docs/FORMAT.md)
 * and never change meaning. Text lookups: util/names.h.
 */
#ifndef BPREC_NAMES_H
#define BPREC_NAMES_H

/* How something outside changed a page-cache object or a tracee's memory (CLI.md, "Channel names"). */
#define BPREC_CHANNELS(X)                                                                          \
	X(UNKNOWN, 0, "unknown")                                                                   \
	X(WRITE, 1, "write")                                                                       \
	X(PWRITE, 2, "pwrite")                                                                     \
	X(WRITEV, 3, "writev")                                                                     \
	X(PWRITEV, 4, "pwritev")                                                                   \
	X(SENDFILE, 5, "sendfile")                                                                 \
	X(SPLICE, 6, "splice")                                                                     \
	X(VMSPLICE, 7, "vmsplice")                                                                 \
	X(COPY_FILE_RANGE, 8, "copy_file_range")                                                   \
	X(CLONE, 9, "clone")                                                                       \
	X(DEDUPE, 10, "dedupe")                                                                    \
	X(IO_URING, 11, "io_uring")                                                                \
	X(AIO, 12, "aio")                                                                          \
	X(FALLOCATE, 13, "fallocate")                                                              \
	X(MADVISE_REMOVE, 14, "madvise-remove")                                                    \
	X(TRUNCATE, 15, "truncate")                                                                \
	X(OPEN_TRUNC, 16, "open-trunc")                                                            \
	X(DIRECT_WRITE, 17, "direct-write")                                                        \
	X(READ_INTO_MAPPING, 18, "read-into-mapping")                                              \
	X(MMAP_STORE, 19, "mmap-store")                                                            \
	X(KERNEL, 20, "kernel")                                                                    \
	X(BLOCK_DEVICE, 21, "block-device")                                                        \
	X(KERNEL_SHARED, 22, "kernel-shared")                                                      \
	X(REMOTE_MEMORY, 23, "remote-memory")                                                      \
	X(PTRACE, 24, "ptrace")                                                                    \
	X(PROC_MEM, 25, "proc-mem")                                                                \
	X(USERFAULTFD, 26, "userfaultfd")                                                          \
	X(UPROBE, 27, "uprobe")

/* What check says of one outside change (DESIGN 4). Derived by check, never stored. */
#define BPREC_OUTCOMES(X)                                                                          \
	X(EXACT, 0, "exact")                                                                       \
	X(SAME_BYTES, 1, "same-bytes")                                                             \
	X(POSSIBLE, 2, "possible")                                                                 \
	X(SEEN_EARLY, 3, "seen-early")                                                             \
	X(LOST, 4, "lost")

/* What check says of a trace (DESIGN 4), from best to worst. Derived by check, never stored. */
#define BPREC_VERDICTS(X)                                                                          \
	X(CLEAN, 0, "clean")                                                                       \
	X(RESNAPSHOTTED, 1, "resnapshotted")                                                       \
	X(UNCERTAIN, 2, "uncertain")                                                               \
	X(DIVERGENT, 3, "divergent")

/* How an outsider can change a watched object. */
#define BPREC_EXPOSURES(X)                                                                         \
	X(WRITABLE_MAPPING, 1, "writable-mapping") /* VM_SHARED with VM_MAYWRITE */                \
	X(WRITABLE_DESCRIPTOR, 2, "writable-descriptor")                                           \
	X(UNATTRIBUTED, 3, "unattributed") /* the kernel counts a writer whom no list names */

/* State of one kernel hook in a recording. */
#define BPREC_HOOK_STATES(X)                                                                       \
	X(OFF, 0, "off")          /* not asked for */                                              \
	X(ATTACHED, 1, "attached")                                                                 \
	X(FAILED, 2, "failed")    /* wanted, and the load or attachment was refused */             \
	X(ABSENT, 3, "absent")    /* the kernel has no such tracepoint or function */            \
	X(SPARE, 4, "spare")      /* not used: other hooks serve its channels */

/* How events about outside changes can be lost; each is counted and lowers the verdict. */
#define BPREC_LOSSES(X)                                                                            \
	X(RING_FULL, 1, "ring-full")           /* bpf_ringbuf_reserve returned NULL */             \
	X(RECURSION, 2, "recursion-misses")    /* bpf_prog_info.recursion_misses, since 5.12 */    \
	X(VMA_BUSY, 3, "find-vma-busy")        /* bpf_find_vma returned -EBUSY */                  \
	X(MAP_FULL, 4, "map-full")             /* a BPF hash map had no room */                    \
	X(READ_FAILED, 5, "read-failed")       /* a probe read failed */                           \
	X(NOT_ATTACHED, 6, "not-attached")     /* a hook that waits until it is needed */

/* Why observation of some channel on some object was incomplete. */
#define BPREC_GAPS(X)                                                                              \
	X(NOT_OBSERVED, 1, "not-observed")       /* no BPF at all: privileges or kernel */         \
	X(HOOK_MISSING, 2, "hook-missing")       /* a hook could not be attached */                \
	X(HIDDEN_STORES, 3, "hidden-stores")     /* a writable mapping whose stores no hook shows */ \
	X(LOST_EVENTS, 4, "lost-events")                                                           \
	X(DEVICE_MAPPING, 5, "device-mapping")   /* DESIGN 12, rule 11 */                          \
	X(UNREADABLE, 6, "unreadable")           /* contents could not be saved */                 \
	X(WRITER_IN_FLIGHT, 7, "writer-in-flight") /* a write had begun and not ended */           \
	X(UNATTRIBUTED_WRITER, 8, "unattributed-writer")                                           \
	X(UNRECORDED_CALL, 9, "unrecorded-call") /* outputs of a call are not described exactly */ \
	X(CHANNEL_UNSEEN, 10, "channel-unseen")  /* a channel no attached hook shows */            \
	X(RECORDER_ERROR, 11, "recorder-error")

/* Types of events in the `events` file. */
#define BPREC_EVENTS(X)                                                                            \
	X(START, 1, "start")                                                                       \
	X(HOOK, 2, "hook")                                                                         \
	X(PROCESS, 3, "process")                                                                   \
	X(EXEC, 4, "exec")                                                                         \
	X(EXIT, 5, "exit")                                                                         \
	X(SYSCALL, 6, "syscall")                                                                   \
	X(SYSCALL_ENTER, 7, "syscall-enter")                                                       \
	X(DATA, 8, "data")                                                                         \
	X(SIGNAL, 9, "signal")                                                                     \
	X(REGS, 10, "regs")                                                                        \
	X(OBJECT, 11, "object")                                                                    \
	X(PAGES, 12, "pages")                                                                      \
	X(MAP, 13, "map")                                                                          \
	X(UNMAP, 14, "unmap")                                                                      \
	X(PROTECT, 15, "protect")                                                                  \
	X(REMAP, 16, "remap")                                                                      \
	X(MEM, 17, "mem")                                                                          \
	X(OBJECT_WRITE, 18, "object-write")                                                        \
	X(CHANGE, 19, "change")                                                                    \
	X(WRITER, 20, "writer")                                                                    \
	X(EXPOSURE, 21, "exposure")                                                                \
	X(EXPOSURE_END, 22, "exposure-end")                                                        \
	X(GAP, 23, "gap")                                                                          \
	X(COMPARE, 24, "compare")                                                                  \
	X(LOSS, 25, "loss")                                                                        \
	X(NOTE, 26, "note")                                                                        \
	X(GROUP, 27, "group")                                                                      \
	X(OUTPUT, 28, "output")                                                                    \
	X(END, 29, "end")                                                                          \
	X(INSN, 30, "insn")                                                                        \
	X(WORDS, 31, "words")                                                                      \
	X(MEMHASH, 32, "memhash")                                                                  \
	X(LIMIT, 33, "limit")                                                                      \
	X(STACK, 34, "stack")

#define BPREC_ENUM_CH(id, n, text) CH_##id = (n),
#define BPREC_ENUM_OUT(id, n, text) OUTCOME_##id = (n),
#define BPREC_ENUM_VER(id, n, text) VERDICT_##id = (n),
#define BPREC_ENUM_EXP(id, n, text) EXPOSURE_##id = (n),
#define BPREC_ENUM_HST(id, n, text) HOOK_##id = (n),
#define BPREC_ENUM_LOSS(id, n, text) LOSS_##id = (n),
#define BPREC_ENUM_GAP(id, n, text) GAP_##id = (n),
#define BPREC_ENUM_EV(id, n, text) EV_##id = (n),

/** A way of changing memory from outside. */
enum channel { BPREC_CHANNELS(BPREC_ENUM_CH) CH_MAX };
/** What a change means for a replay. */
enum outcome { BPREC_OUTCOMES(BPREC_ENUM_OUT) };
/** What a trace is worth; a greater value is worse. */
enum verdict { BPREC_VERDICTS(BPREC_ENUM_VER) };
/** From where an outsider can write. */
enum exposure_kind { BPREC_EXPOSURES(BPREC_ENUM_EXP) EXPOSURE_MAX };
/** Whether a kernel hook is in use. */
enum hook_state { BPREC_HOOK_STATES(BPREC_ENUM_HST) };
/** Ways of losing events. */
enum loss_kind { BPREC_LOSSES(BPREC_ENUM_LOSS) LOSS_MAX };
/** Reasons for incomplete observation. */
enum gap_kind { BPREC_GAPS(BPREC_ENUM_GAP) GAP_MAX };
/** Event types. */
enum event_type { BPREC_EVENTS(BPREC_ENUM_EV) EV_MAX };

#endif
