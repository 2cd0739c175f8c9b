/* SPDX-License-Identifier: MIT */
/* recorder.h: the state of a recording. Private to record/. */
#ifndef BPREC_RECORD_RECORDER_H
#define BPREC_RECORD_RECORDER_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uthash.h>

#include "bprec/format.h"
#include "bprec/kevent.h"
#include "kern/kern.h"
#include "model/model.h"
#include "record/record.h"
#include "sys/sys.h"
#include "trace/writer.h"
#include "tracee/home.h"
#include "util/ranges.h"

/** Where a tracee is, as far as its stops tell. */
enum task_state {
	TASK_NEW,     /* announced by its parent, or seen before that; not yet stopped and known */
	TASK_STOPPED, /* in a ptrace stop */
	TASK_RUNNING, /* continued into user code */
	TASK_IN_CALL, /* continued from the entry of a call; its exit stop has not come */
	TASK_DYING,   /* past PTRACE_EVENT_EXIT, or killed */
};

/** Which stop a TASK_STOPPED is in: it tells how it is continued. */
enum task_stop {
	STOP_OTHER,  /* exec, clone, interrupt, first stop: user code comes next */
	STOP_ENTRY,  /* before a call */
	STOP_EXIT,   /* after a call */
	STOP_SIGNAL, /* signal-delivery stop */
	STOP_GROUP,  /* job-control stop */
};

struct share_group;
struct about;
struct codefile;
struct lower;
struct stack;
struct point;
struct picture;

/** A thread that is traced. */
struct task {
	pid_t tid, pid;
	enum task_state state;
	enum task_stop stop;
	int cont_sig; /* signal to deliver when it is continued */
	bool known;   /* its EV_PROCESS is written */
	pid_t sharer; /* watch: who had the same memory when its mappings were listed, 0: nobody, or -errno */
	char sharer_comm[16]; /* ... its name */
	bool stop_seen;	      /* its first stop was seen */
	bool by_syscall;      /* stops by PTRACE_SYSCALL, not by our filter (DESIGN 12, rule 7) */
	bool interrupt_sent;  /* PTRACE_INTERRUPT is on its way */
	bool preempt;	      /* ... because its slice is over */
	bool blocking;	      /* TASK_IN_CALL: the token may go to another */
	pid_t vfork_child;    /* TASK_IN_CALL: whose exec or end its vfork waits for, 0: nobody's */
	pid_t vfork_parent;   /* who began it by vfork, 0: nobody */
	bool entered;	      /* an EV_SYSCALL_ENTER was written for the current call */
	bool stores; /* its current call may change what others map: it keeps the token (stores.c) */
	bool lent;   /* others had the token while its current call was under way */
	bool exit_waits;   /* at an exit stop that is treated when it gets the token */
	bool queued;	   /* in its group's ready queue */
	bool holds_writer; /* has, or may have inherited, a writable descriptor of a mapped object */
	bool step_to_handler; /* single-stepped with a signal, the next stop is the handler's first instruction */
	bool logged; /* it may have made calls without a stop since its log was taken (logged.c) */
	bool args_known; /* nr, args are those of the current call */
	uint32_t space;	 /* model id */
	struct share_group *group;
	struct task *ready_next;
	uint32_t nr;	     /* current or last call */
	uint64_t args[6];    /* its arguments as the program gave them */
	uint32_t restart_nr; /* the call that restart_syscall would go on with */
	uint64_t entry_ns;   /* before it was continued from the entry stop */
	uint64_t idle_ns;    /* it has not run user code since (seen after the wait); ~0: running */
	uint64_t stop_ns;    /* when its last stop was seen */
	uint64_t slice_ns;   /* when it got the token */
	int64_t subst;	     /* result to be put in place of the call's, if subst_set */
	bool subst_set;
	bool skip_late;	    /* ... but its own filter must see the call's number first */
	uint64_t clear_tid; /* clear_child_tid address */
	uint8_t stream;	    /* 1 + stream that its current call writes to (order.c), 0: none */
	uint64_t set_tid;   /* CLONE_CHILD_SETTID address, until its first stop; 0: none */
	struct robust_word *robust; /* robust futexes that it holds while it ends (stored.c) */
	size_t nrobust;
	uint64_t scratch; /* its scratch area, 0: none */
	uint64_t scratch_len;
	struct sys_scratch *plan; /* redirection of the current call, NULL: none */
	uint8_t *moved;		  /* bytes that the current call moves past its memory (moved.c) */
	size_t moved_len;
	/* what its current call does to objects (stores.c); malloced. KEV_BEGIN: not over yet */
	struct kevent *stored;
	size_t nstored;
	uint64_t
		cut; /* inode number of the mapped file that its current call may cut by its path, 0: none */
	struct regs64 exit_regs; /* as its last event left them (preempt__mark, calls.c) */
	bool at_point;		 /* ... which was a preemption point */
	bool group_stop;	 /* it is to stop with its process when the point is written */
	uint64_t
		stack_for; /* number of a change for which its stack is kept at its next stop; 0: none */
	bool wants_picture;  /* its next stop is for a picture, not for a point */
	struct point *point; /* it is on the way to a preemption point (preempt.c); NULL: not */
	struct picture
		*picture; /* its memory as it was some time ago (telling.c), malloced; NULL: none */
	uint64_t picture_ns; /* when it was taken */
	uint64_t call_ns;    /* when its last call ended, those of signal handlers apart */
	uint64_t
		handler_rsp; /* stack pointer at the start of its outermost signal handler; 0: in none */
	struct kevent watch;	     /* last KEV_WATCH of this thread; type 0: none */
	struct pending_signal *held; /* signals held back to the next call */
	struct home_seat seat;	     /* processors that it runs on */
	struct regs64 before_sig;    /* registers when a signal came in */
	siginfo_t info;		     /* the signal being delivered */
	UT_hash_handle hh;
};

/** A share group: one of its threads runs at a time (DESIGN 8). */
struct share_group {
	uint32_t id;
	struct share_group *into; /* merged into; NULL: itself */
	size_t ntasks;		  /* threads in it */
	bool target;		  /* others were merged into it: it is never freed */
	struct task *runner;	  /* has the token; NULL: free */
	struct task *ready_first, *ready_last;
	struct share_group *next; /* all groups */
};

/** An address space, what the model doesn't know of it. */
struct aspace {
	uint32_t id;
	uint64_t brk_start, brk;       /* heap */
	uint64_t next_scratch;	       /* next free address for a scratch area */
	uint64_t hash_ns, hash_cursor; /* last look of checksum.c, and where the next begins */
	bool log, no_log;	       /* it has a log of calls; or can't have one (logged.c) */
	bool log_on;		       /* ... which is switched on */
	bool log_lost; /* whoever used it last is gone without a stop: what is in it is nobody's */
	bool code_noted;	 /* its executable memory without a file was named */
	bool stirred;		 /* watch: its mappings may not be what the model says */
	uint64_t listed_ns;	 /* watch: when the kernel's list of its mappings was read last */
	uint64_t next_list_ns;	 /* watch: not again before this */
	struct addr_range *gone; /* watch: mapped in the model, not in that list */
	size_t ngone;
	bool vsyscall_noted; /* its calls into the vsyscall page were named */
	UT_hash_handle hh;
};

/** Addresses [start, end). */
struct addr_range {
	uint64_t start, end;
};

/** Size and times of an object's file (stamp.c). */
struct file_stamp {
	int64_t size;		    /* bytes */
	int64_t mtime_ns, ctime_ns; /* since 1970 */
	bool fresh; /* it had changed a moment before: the times may stand still through another change */
};

/** A look at an object's contents that is under way, a slice at a time (look.c). */
struct look_pass {
	struct ranges todo; /* pages that it reads */
	size_t at;	    /* range that comes next, ... */
	uint64_t done;	    /* ... and how many of its pages are read */
	bool whole;  /* all that is mapped and saved, not just what outsiders may have stored to */
	bool covers; /* ... which is all that is saved */
	bool stores; /* insiders could store into it when it began */
	struct file_stamp stamp; /* before the first page was read */
	uint64_t begin_ns;	 /* each page is read after this */
	uint64_t cost_ns;	 /* processor time so far */
	uint64_t pages;		 /* read so far */
	uint64_t differing;	 /* of these, pages that had changed */
};

/** A page-cache object that is or was mapped. */
struct object {
	uint32_t id;
	uint64_t key; /* address_space pointer; 0 when not observed */
	uint32_t dev, generation;
	uint64_t inode;
	int fd;		/* our own read-only descriptor, pins the object; -1: none */
	bool fd_is_dup; /* shares the program's open file description: not kept */
	bool device;
	bool layered; /* our descriptor is of another file system (an overlay), which may pass on another file */
	bool memory;	    /* of shmem or hugetlbfs: its stores leave no trace of any kind */
	uint64_t fs_magic;  /* 0: not known */
	bool exposed;	    /* an outsider could or can write it */
	bool hidden;	    /* ... by stores that no hook shows; never false again */
	bool stores_inside; /* an insider can store into it, or could since it was looked at whole */
	bool recount;	    /* somebody who held it is gone: look again who does */
	uint64_t pins_first,
		pins_end; /* of these pages it was asked who pins them, and nobody could have pinned one since */
	int32_t writecount, mmap_writable; /* at the last look */
	size_t nfiles;		 /* open files that can write it and that the lists showed then */
	struct ranges saved;	 /* pages that are saved and up to date */
	struct file_stamp stamp; /* from before any of these was read */
	uint64_t look_ns;	 /* each of these was saved or compared at this time or later */
	struct ranges lately;	 /* pages that were compared again ... */
	uint64_t lately_ns;	 /* ... at this time or later */
	struct ranges
		stored; /* outsiders have stored to these (rearm.c), and they were not compared since */
	uint64_t next_look_ns; /* no new look before this */
	uint64_t odd_ns;       /* since when it has a size that no event explains; 0: it has not */
	uint64_t sums_ns;      /* when open sums of it began to be closed, those of that moment */
	uint64_t listed_ns; /* watch: a list that showed it first was acted on by then; 0: none */
	uint64_t owed_ns; /* outsiders that could write it were gone then: if later than look_ns, a
				* whole look is due */
	uint32_t owed_writer; /* the one who could store into it; 0: none or several */
	bool owed_stores;     /* one of them could store */
	pid_t owed_pid;	      /* process of owed_writer */
	pid_t owed_opener;    /* the one who had a descriptor; 0: none, -1: several */
	bool untold; /* pages were not looked at when they should have been, and a gap says so */
	struct look_pass *look; /* under way; NULL: none */
	struct fault *
		faults; /* outsiders' first stores, each of one page: by page, the newest of a list of its own */
	struct fault *wide;	 /* those of more pages, a list */
	struct object *older;	 /* another object with the same inode number */
	UT_hash_handle hh;	 /* by id */
	UT_hash_handle hh_inode; /* by inode, the newest of each */
};

/** An outsider's write fault (or dirtying) of one page or some, not yet seen as a difference. */
struct fault {
	uint64_t first, n; /* pages */
	uint32_t writer;   /* id */
	uint32_t channel;
	uint32_t stack;	    /* id, 0: none */
	uint64_t ns;	    /* first time */
	uint64_t again_ns;  /* last time */
	uint64_t gone_ns;   /* its process ended then; 0: it hasn't */
	struct fault *next; /* next older one in its list */
	UT_hash_handle hh;  /* by page, if it is of one page and the newest of that */
};

/** An outsider's call under way or over, not yet written to the trace. */
struct change {
	struct kevent ke;		 /* the event it began with: identity of the object */
	uint32_t writer, channel, flags; /* flags: enum change_flags */
	uint32_t stack;			 /* id, 0: none */
	bool ended;
	bool idle;    /* it is over and has changed nothing */
	bool written; /* into the trace, since it ended */
	bool summed; /* it is an open sum, in slot ke.aux; offset and length are its pages at the last look (sums.c) */
	uint64_t begin_ns, end_ns, give_up_ns;
	uint64_t offset, length;
	uint64_t count; /* changes that it sums up, and no event has counted yet */
	uint64_t told;	/* of an open sum: changes that events have counted already */
	struct change *prev, *next;
};

/** A change beneath what is mapped that was told of. */
struct beneath {
	uint32_t
		dev; /* of its inode, in the kernel's encoding (a block device's own is that of bdev); 0: breakpoints */
	uint64_t inode; /* a block device's is its number */
	uint32_t
		writer; /* who wrote there, as in struct outsider; of breakpoints the process that had them */
	struct beneath *next;
};

/** An outsider by name. Its EV_WRITER is written before the first event that refers to it, and again if more is known at the end. */
struct outsider {
	uint32_t id;
	pid_t pid, tid;
	uint32_t uid;
	uint32_t ns_pid; /* in its own pid namespace, 0: unknown */
	uint64_t start_ns;
	bool written;
	char comm[16];
	bool rearmed;	   /* the trace says whether its soft-dirty bits can be cleared */
	char build_id[65]; /* of exe, hexadecimal digits; "" if unknown */
	char told_exe[64]; /* the end of its executable's path, as events tell it */
	char *exe, *cgroup, *cmdline; /* malloced; NULL: unknown */
	struct outsider *next;
};

/** A process that a known outsider forked. */
struct about_fork {
	pid_t parent, child;
	struct about_fork *next;
};

/** An exposure that holds. */
struct exposure {
	uint32_t id, kind;
	struct object *obj;
	pid_t pid;
	uint32_t writer;
	bool seen; /* by the sweep under way */
	bool pinned; /* pages are pinned: it holds as long as there are such, whoever unmaps or ends */
	struct exposure *next;
};

/** A stop from waitpid that waits for its turn. */
struct wait_result {
	pid_t tid;
	int status;
	uint64_t ns;
};

/** Time for looks at exposed objects (look.c): processor time in nanoseconds, earned with the time that passes. */
struct look_budget {
	uint64_t start_ns;  /* of the recording */
	uint64_t earned_ns; /* up to when time was earned */
	double usual,
		last; /* to be spent: on looks in between, and kept for last ones; below 0: overdrawn */
	uint64_t spent_ns;     /* in all */
	uint64_t looks, pages; /* that were ended, read */
	uint64_t longest_ns;   /* dearest look */
	uint32_t served;       /* object whose turn it was last */
};

struct recorder;

/** What the lower files of this folder ask of the higher ones; set by recording.c. */
struct recorder_asks {
	/** Does a change under way keep this thread from running? */
	bool (*holds)(struct recorder *r, const struct task *t);
	/** Are ticks needed soon? */
	bool (*busy)(const struct recorder *r);
	/** Writes down the call whose exit stop had to wait for the token, and readies the thread. 0 or -errno. */
	int (*finish_call)(struct recorder *r, struct task *t);
};

/** The recording. */
struct recorder {
	struct recorder_asks asks;
	const struct record_opts *opts;
	bool watch; /* nobody is traced: tasks are processes, always running */
	struct writer *w;
	struct model *m;
	struct kern *k;	       /* NULL: not observed */
	struct task *tasks;    /* by tid */
	void *numbers;	       /* Judy1: tids that threads of insiders have or had */
	struct aspace *spaces; /* by id */
	struct share_group *groups;
	struct object *objects;	 /* by id */
	struct object *by_inode; /* by inode */
	struct change *changes;	 /* in the order in which they began; utlist, doubly linked */
	bool sums_wanted;	 /* a thread that wants to run waits for an open sum */
	struct change
		*own_calls; /* watch: insiders' calls that change objects and have not ended */
	struct outsider *outsiders;
	struct about *abouts;	    /* what is known of outsiders' processes (about.c) */
	struct about_fork *forks;   /* the newest first */
	struct codefile *codefiles; /* that they run (codefile.c) */
	struct stack *stacks;	    /* of changes (stacks.c) */
	size_t nabouts, nforks, ncodefiles, nstacks, ninsider_stacks;
	uint32_t next_stack;
	uint64_t next_stack_ns; /* none is named before */
	struct exposure *exposures;
	struct beneath *beneath;
	struct lower *lowers;	     /* what lies below devices (lower.c) */
	struct lying *lying;	     /* on what */
	bool lower_unknown;	     /* ... isn't known: there was no memory */
	struct undecided *undecided; /* changes below what nobody mapped by then (beneath.c) */
	struct kevent uprobe;	     /* the last call that asked for uprobes; tgid 0: none */
	struct look_budget budget;
	bool rearm;	      /* soft-dirty bits of outsiders are read and cleared before looks */
	uint64_t rearm_ns;    /* ... when they were last, 0: never */
	uint64_t rearm_looks; /* ... and how many looks had ended by then */
	struct patched *patched; /* what objects hold to be patched (patch.c) */
	uint32_t next_space, next_group, next_object, next_outsider, next_exposure;
	size_t ntasks;	 /* threads alive */
	size_t nheld;	 /* signals held back and not sent again */
	size_t open_fds; /* descriptors pinned in objects */
	pid_t root;
	uint64_t attached_ns; /* watch: the tree that ran already was entered by then */
	uint32_t end_kind;    /* of the root, once known */
	int32_t end_code;
	int err;	   /* first fatal error: the recording ends */
	struct kevent *kq; /* kernel events taken from the ring, not yet dispatched */
	size_t kq_n, kq_at, kq_cap;
	bool behind_told;	/* the gap that a full queue leaves is written */
	struct wait_result *wq; /* stops not yet dispatched */
	size_t wq_n, wq_at, wq_cap;
	uint64_t next_tick_ns;
	bool any_recount;	    /* of some object */
	uint64_t next_count_ns;	    /* the counters of exposed objects are not looked at before */
	uint64_t next_count_all_ns; /* ... those of all that are mapped */
	struct home home; /* processor of the recorder's thread and of insiders that stop often */
	struct files *files;	 /* descriptors that lead to stdin, stdout, stderr */
	uint8_t stream_of[3];	 /* the first stream that is the same file */
	struct task *writing[3]; /* inside a call that writes to the stream; NULL: nobody */
	bool log_calls;		 /* some calls are made without a stop (logged.c) */
	bool tsc_fault;		 /* rdtsc raises SIGSEGV in insiders, wherever it is */
	bool mem_opened;	 /* an insider has opened some /proc/PID/mem */
	struct kicker *kicker;
	uint64_t hash_start_ns, hash_cost_ns; /* since when memory is hashed, time spent on it */
	uint64_t next_share_ns; /* threads at home are not gone through before (affinity__share) */
	uint64_t hash_turn;	/* of samples: where the next one begins */
};

/** Finds a thread; NULL if unknown. */
struct task *rtask__find(struct recorder *r, pid_t tid);
/** Makes a thread known (TASK_NEW); NULL without memory. */
struct task *rtask__new(struct recorder *r, pid_t tid);
/** Notes the number of a thread that has no entry here, as under watch, where only processes have one. 0 or -ENOMEM. */
int rtask__note(struct recorder *r, pid_t tid);
/** True if an insider's thread has or had this number: rtask__new and rtask__note keep them. */
bool rtask__was(const struct recorder *r, pid_t tid);
/** Forgets a thread and gives its token back. */
void rtask__free(struct recorder *r, struct task *t);
/** Address space by id, made if new; NULL without memory. */
struct aspace *aspace__get(struct recorder *r, uint32_t id);
/** CLOCK_MONOTONIC nanoseconds. */
uint64_t now_ns(void);
/** Tells the user a line (printf format). */
void recorder__warn(struct recorder *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** Notes the first fatal error; returns it. */
int recorder__fail(struct recorder *r, int err, const char *what);

#endif
