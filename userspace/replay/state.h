/* SPDX-License-Identifier: MIT */
/* state.h: the state of a replay. Private to replay/. */
#ifndef BPREC_REPLAY_STATE_H
#define BPREC_REPLAY_STATE_H

#include <signal.h>
#include <time.h>
#include <uthash.h>

#include "replay/replay.h"
#include "model/files.h"
#include "tracee/home.h"

/** One page at this address in every stub holds `syscall; int3`: bprec's calls are made there. No recorded program has
 *  anything here: it lies below bprec's own page of the recording (tracee/tracee.h). */
#define STUB_PAGE 0x6f000000ull

/** A breakpoint was met in the middle of an event: it stays the next one. Never leaves replay/. */
#define REPLAY_E_STOPPED 5003

/** Where a thread is. */
enum rtask_state {
	RTASK_READY,   /* stopped; its registers are those in `regs`, user code comes next */
	RTASK_RUNNING, /* runs user code */
	RTASK_IN_CALL, /* stopped at the entry of a call; regs are those of the entry */
	RTASK_FAULT,   /* stopped by a signal that an instruction raised: info */
	RTASK_TRAP,    /* stopped behind an int3 */
};

/** An address space: threads that share memory. */
struct rspace {
	uint32_t id;	   /* of the model */
	uint32_t users;	   /* threads in it */
	bool kept;	   /* a part of it is kept from children (madvise) */
	void *auxv;	   /* auxiliary vector of its exec; malloced, NULL: none */
	uint32_t auxv_len; /* bytes */
};

/** A recorded thread and the stub that stands for it. */
struct rtask {
	uint32_t tid, pid; /* as recorded */
	pid_t real;	   /* the stub: a process of its own even for a thread */
	enum rtask_state state;
	struct rspace *space;
	struct regs64 regs; /* what the program's registers are; valid unless RTASK_RUNNING */
	bool dirty;	    /* the stub's registers have to be set before it runs */
	bool sought;	    /* it was stopped on its way to a preemption point */
	bool told;	    /* that it is at a breakpoint: it goes on over it */
	bool restart; /* its last call was interrupted: it starts over unless a handler runs */
	uint32_t restart_nr; /* ... as this call */
	siginfo_t info;	     /* RTASK_FAULT, RTASK_TRAP */
	struct event_header
		*words; /* EV_WORDS for the next preemption point, malloced; NULL: none */
	struct event_header *memhash; /* EV_MEMHASH for it */
	uint64_t last_ns;      /* recorded time of its last event that ended a piece of user code */
	uint32_t group;	       /* share group, as of the last look at the tasks (ahead.c) */
	struct home_seat seat; /* processors that the stub runs on */
	uint64_t ran_ns;       /* when it was last continued, CLOCK_MONOTONIC; 0: not measured */
	UT_hash_handle hh;
};

/** A page-cache object. */
struct robject {
	uint32_t id;
	int fd;		/* memfd, shared with all stubs */
	uint32_t users; /* the replay's table, and checkpoints that know it */
	uint64_t size;
	uint64_t version; /* another one for each content that it had, as far as bprec changes it */
	bool shared;	  /* stubs have or had it mapped so that they change it */
	UT_hash_handle hh;
};

/** A breakpoint. */
struct rbreak {
	uint32_t pid;  /* 0: any */
	uint64_t addr; /* of the instruction */
	bool in;       /* the int3 is in memory, in place of `byte` */
	uint8_t byte;
};

/** A share group, as far as running ahead goes. */
struct rgroup {
	uint32_t id;   /* of the model, merges followed */
	bool settled;  /* its next event is known: `next` */
	uint64_t next; /* number of that event */
	uint64_t seen; /* while it isn't: no event before this number concerns the group */
};

#define WINDOW_EVENTS 2048

/** Events that come next: numbers first to first + n - 1. */
struct window {
	struct event_header *ev[WINDOW_EVENTS]; /* by number modulo its size; malloced */
	uint64_t first;
	uint32_t n;
	size_t bytes; /* sum of their sizes */
	bool end;     /* the reader has no more */
	int error;    /* why: 0 the trace's end, else the reader's error */
	char *text;   /* of the error; malloced */
};

struct scope;

#define REPLAY_LAST   8
#define REPLAY_GROUPS 128

/** The replay. */
struct replay {
	struct replay_opts opts;
	struct reader *rd;
	struct model *m;
	struct files *files; /* descriptors that lead to the command's stdout and stderr */
	struct rtask *tasks; /* by tid */
	struct robject *objects;
	pid_t empty; /* a stub without memory, from which others are forked */
	struct regs64 empty_regs;
	struct window window;
	struct rgroup groups[REPLAY_GROUPS];
	size_t ngroups;
	bool regroup; /* threads have come, gone or changed their group since the last look */
	struct rbreak *breaks; /* malloced */
	size_t nbreaks;
	uint32_t step_tid;	   /* thread that is to make a step; 0: none */
	bool stepped;		   /* it has */
	struct replay_place place; /* of the last stop */
	struct checkpoint *points; /* all of them */
	uint64_t versions;	   /* contents of objects, counted */
	bool begun;		   /* the next event has been told of, and stopped in the middle */
	bool in_turn;		   /* no thread may run ahead */
	uint64_t until;		   /* last event to replay; 0: none */
	struct scope *scope;	   /* which processes are run; NULL: all */
	struct home home;	   /* processor of engine and stubs */
	timer_t timer;		   /* interrupts a long wait */
	bool has_timer;
	bool tsc_fault;	   /* rdtsc raises SIGSEGV in stubs */
	uint64_t start_ns; /* when it began, CLOCK_MONOTONIC */
	uint64_t no;	   /* event being replayed */
	uint16_t type;	   /* its type */
	uint32_t tid;	   /* its thread */
	uint32_t root;
	struct replay_stats st;
	struct {
		uint64_t no;
		uint16_t type;
		uint32_t tid;
	} last[REPLAY_LAST];
	uint64_t nlast;
	uint64_t time_ns; /* when the event was written */
	struct {
		uint64_t no,
			used_ns; /* event, and processor time of its thread when it was waited for first */
		uint32_t tid;
		int ticks; /* seen */
	} patience;
	uint64_t differing_page; /* address, once memory differs */
};

/* stub.c */
/** Makes the empty stub. 0 or negative with err__set. */
int stub__first(struct replay *rp);
/** A new process without memory. */
int stub__new(struct replay *rp, pid_t *ret);
/** A copy of a stopped stub: same memory if share, else a copy of it. */
int stub__clone(struct replay *rp, pid_t from, bool share, pid_t *ret);
/** Carries out a call in a stopped stub; its registers are lost. *ret: result or -errno. */
int stub__call(struct replay *rp, pid_t pid, long nr, const uint64_t args[6], int64_t *ret);
/** Kills a stub and takes its remains. */
void stub__kill(pid_t pid);

/* memory.c */
/** Reads; bytes up to the first unreadable page, or -errno. */
ssize_t mem__read(struct rtask *t, uint64_t addr, void *buf, size_t len);
/** Writes, also where the program can't. t is stopped. 0 or negative with err__set. */
int mem__write(struct replay *rp, struct rtask *t, uint64_t addr, const void *buf, size_t len);
/** EV_MAP, EV_UNMAP, EV_PROTECT, EV_REMAP, EV_MEM. */
int mem__event(struct replay *rp, struct rtask *t, const struct event_header *ev);
/** EV_OBJECT and EV_PAGES. */
int robject__event(struct replay *rp, const struct event_header *ev);
/** Descriptor of an object's memfd, -1 if there is none. */
int robject__fd(struct replay *rp, uint32_t id);
/** Takes one out of the table; it ends with its last user. */
void robject__drop(struct replay *rp, struct robject *o);
/** One user less. */
void robject__put(struct robject *o);
/** Stubs can change it from here on by themselves. */
int robject__share(struct replay *rp, uint32_t id);
/** Frees all; with the replay. */
void robject__free_all(struct replay *rp);

/* task.c */
/** Gives an address space an auxiliary vector. 0 or -ENOMEM with err__set. */
int rspace__set_auxv(struct rspace *s, const void *auxv, uint32_t len);
/** Gives a thread the extended state of another. */
int rtask__copy_xstate(struct rtask *from, struct rtask *to);
/** The thread with this tid in the trace; NULL: none lives. Owned by rp. */
struct rtask *rtask__get(struct replay *rp, uint32_t tid);
/** EV_PROCESS: makes the thread, in a stub of its own or with others. 0 or negative with err__set. */
int rtask__process(struct replay *rp, const struct event_header *ev);
/** EV_EXEC: the thread goes on in a new, empty address space. 0 or negative with err__set. */
int rtask__exec(struct replay *rp, const struct event_header *ev);
/** EV_EXIT: the thread is over, with what only it used. 0 or negative with err__set. */
int rtask__exit(struct replay *rp, struct rtask *t, const struct event_header *ev);
/** Frees all; with the replay. */
void rtask__free_all(struct replay *rp);

/* window.c */
/** Reads on until `want` events are there, their bound is reached or the trace has no more. 0 or negative with err__set. */
int window__fill(struct replay *rp, uint32_t want);
/** The event of this number; NULL: not there. Valid until it is popped. */
const struct event_header *window__at(struct replay *rp, uint64_t no);
/** Forgets the first one. */
void window__pop(struct replay *rp);
/** Forgets all. */
void window__clear(struct replay *rp);

/* ahead.c */
/** Lets threads of other groups run towards their next event. 0 or negative with err__set. */
int ahead__run(struct replay *rp);
/** An event has been replayed and applied to the model. */
void ahead__played(struct replay *rp, const struct event_header *ev, uint64_t no);

/* scope.c */
/** Reads the whole trace for what has to be run so that the share group of process `pid` is; the reader is at its first event
 *  before and after. 0, -ESRCH, or negative, with err__set. */
int scope__open(struct scope **ret, struct reader *rd, uint32_t pid);
/** NULL is allowed. */
void scope__free(struct scope *s);
/** Is the event a part of what is run? Asked before the model has it. */
bool scope__plays(const struct replay *rp, const struct event_header *ev, uint64_t no);
/** Is what the thread writes put out? */
bool scope__shows(const struct replay *rp, const struct rtask *t);
/** Is nothing left to do after this event? */
bool scope__over(const struct scope *s, uint64_t no);

/* place.c */
/** Gives the replay its home; before the first stub is made. */
void place__open(struct replay *rp);
/** Leaves it. */
void place__close(struct replay *rp);
/** The timer is on only while the replay runs. */
void place__clock(struct replay *rp, bool on);
/** The stub of t was continued. */
void place__resumed(struct replay *rp, struct rtask *t);
/** Brings all stubs home. */
void place__settle(struct replay *rp);
/** Waits until the stub of t has stopped or ended. 0 or negative with err__set. */
int place__wait(struct replay *rp, struct rtask *t, int *ret_status);

/* run.c */
/** Lets a ready thread run user code, and doesn't wait. 0 or negative. */
int run__resume(struct replay *rp, struct rtask *t);
/** Lets it run to its next stop that counts, by this ptrace request. 0 or negative. */
int run__go(struct replay *rp, struct rtask *t, int request);
/** Lets a thread run to its next stop, unless it is at one. 0 or negative. */
int run__to_stop(struct replay *rp, struct rtask *t);
/** ... which must be the entry of a call. */
int run__to_call(struct replay *rp, struct rtask *t);
/** Judges a wait status of a stub that ran: sets state, regs, info. 1: not a stop that counts, it has to run on. */
int run__judge(struct replay *rp, struct rtask *t, int status);
/** Writes the thread's registers into the stub. */
int run__set_regs(struct replay *rp, struct rtask *t);
/** Makes an interrupted call start over. */
void run__restart(struct rtask *t);
/** Compares with the recorded hash; 0 hash: nothing. */
int run__check_regs(struct replay *rp, struct rtask *t, uint64_t hash);
/** Where a thread is, for messages. */
const char *run__where(const struct rtask *t, char *buf, size_t size);

/* calls.c */
/** Events of a call (EV_SYSCALL_ENTER, EV_SYSCALL, EV_DATA): runs the thread to it, compares, gives it what was recorded.
 *  0, -REPLAY_E_DIFFERS or another negative value with err__set. */
int calls__event(struct replay *rp, struct rtask *t, const struct event_header *ev);
/* signals.c */
/** EV_SIGNAL: runs the thread to it if it came from its own code, compares, enters the handler. 0, -REPLAY_E_DIFFERS or another negative value with err__set. */
int signals__event(struct replay *rp, struct rtask *t, const struct event_header *ev);
/** EV_REGS: a return from a handler, or a preemption point. 0, -REPLAY_E_DIFFERS or another negative value with err__set. */
int signals__regs(struct replay *rp, struct rtask *t, const struct event_header *ev);
/** EV_INSN: runs the thread to an instruction whose outcome was recorded, and gives it that. 0, -REPLAY_E_DIFFERS or another negative value with err__set. */
int signals__insn(struct replay *rp, struct rtask *t, const struct event_header *ev);
/* memhash.c */
/** A page, or the extended state, that differs. */
struct memhash_difference {
	uint64_t addr; /* of the page; 0: the extended state */
	uint64_t expected, found;
};
/** Compares with an EV_MEMHASH. True: *ret is the first difference. */
bool memhash__find_difference(struct replay *rp, struct rtask *t, const struct ev_memhash *h,
			      struct memhash_difference *ret);
/** The same; a difference ends the replay. */
int memhash__check(struct replay *rp, struct rtask *t, const struct ev_memhash *h);

/* point.c */
/** Runs a thread to the preemption point that an EV_REGS tells. */
int point__regs(struct replay *rp, struct rtask *t, const struct ev_regs *r);
/** ... or an EV_SIGNAL between two calls. */
int point__signal(struct replay *rp, struct rtask *t, const struct ev_signal *s);

/* patience.c */
/** The timer has ticked; from its signal handler. */
void patience__tick(void);
/** Has the thread used too much time for the event? Then it is stopped (running: it isn't yet), and that is the difference. 0, or
 *  -REPLAY_E_DIFFERS. */
int patience__check(struct replay *rp, struct rtask *t, bool running);

/* debug.c */
/** A state that is looked for. */
struct debug_goal {
	uint64_t rip;						      /* of that state */
	bool (*there)(struct replay *rp, struct rtask *t, void *ctx); /* is it that? */
	void *ctx;
};
/** Are there breakpoints to look for, or is the thread stepped? */
bool debug__on(const struct replay *rp, const struct rtask *t);
/** As run__to_stop, with breakpoints and steps; with a goal (NULL: none) as far as that. 0, 1: it stopped without having met the goal,
 *  -REPLAY_E_STOPPED, or negative. */
int debug__run(struct replay *rp, struct rtask *t, const struct debug_goal *goal);

/** Continues a thread on the way to a preemption point; a breakpoint on the way is -REPLAY_E_STOPPED. */
int debug__go(struct replay *rp, struct rtask *t);
/** Must the thread come to this preemption point by debug__run, because it is stepped, or a breakpoint is so near that what is put
 *  there to find the point could be in its way? */
bool debug__near(const struct replay *rp, const struct rtask *t, uint64_t point);

/* checkpoint.c */
/** What an object holds is about to change. 0 or negative with err__set. */
int checkpoint__save(struct replay *rp, struct robject *o);
/** It is about to be cut to `size`. */
void checkpoint__cut(struct replay *rp, const struct robject *o, uint64_t size);

/* output.c */
/** A call that succeeded: what it wrote to stdout or stderr goes to opts.output. 0 or negative with err__set. */
int output__call(struct replay *rp, struct rtask *t, const struct ev_syscall *c);
/** EV_OUTPUT: the same for bytes that the kernel moved there (splice ...). 0, or what opts.output says. */
int output__moved(struct replay *rp, struct rtask *t, const struct ev_output *o);

/* engine.c */
/** Sets the error text "event N (TYPE, thread T): ..." and returns -REPLAY_E_DIFFERS. */
int replay__differs(struct replay *rp, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** The same for what can't be replayed, with any negative error. */
int replay__fail(struct replay *rp, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
