/* SPDX-License-Identifier: MIT */
/*
 * bprec: records a process tree, and notices what others do to its memory.
 *
 * Code map: every file, by layer. Where an arrow below points is where an event goes next; "which layer may include which"
 * is in docs/ARCHITECTURE.md, and scripts/lint-layers.py checks it.
 *
 * The way of an event, in five files:
 *     a store by an outsider    bpf/fault.bpf.c -> kern/ring.c -> record/events.c -> record/dispatch.c -> trace/writer.c
 *     a stop of an insider      tracee/stop.c   ---------------> record/events.c -> record/dispatch.c -> trace/writer.c
 *     a command that reads      trace/reader.c -> model/apply.c -> check/run.c -> show/check_text.c -> cmd/check.c
 *
 * Commands: options, help, exit codes; what they find is printed by show/
 *   cmd/args.c              parses options of any command
 *   cmd/cmd.h               contract of the commands
 *   cmd/help.c              bprec help, and every --help
 *   cmd/path.c              finds traces, makes new ones
 *   cmd/table.c             the command table
 *   cmd/record.c            bprec record
 *   cmd/watch.c             bprec watch
 *   cmd/capture.[ch]        what record and watch share
 *   cmd/replay.c            `bprec replay`
 *   cmd/check.c             bprec check
 *   cmd/probe.c             bprec probe
 *   cmd/dump.c              bprec dump
 *   cmd/ps.c                bprec ps
 *   cmd/trace.[ch]          opens a trace for commands
 *
 * The recorder
 *   record/record.h         what commands know of it
 *   record/recording.[ch]   a recording, start to end
 *   record/watch.c          a watch, start to end: nobody is stopped
 *   record/watch_tree.[ch]  its processes
 *   record/watch_maps.[ch]  what they map
 *   record/watch_calls.[ch] how they change it themselves
 *   record/recorder.h       state of a recording
 *   record/start.[ch]       first events of a trace
 *   record/events.[ch]      next_event(): gathers and orders
 *   record/dispatch.[ch]    dispatch_event(): acts on one event
 *   record/task.c           tables of threads and spaces
 *   record/tree.[ch]        threads come and go
 *   record/procmem.[ch]     memory written through /proc/PID/mem
 *   record/order.[ch]       one order of output over all groups
 *   record/stored.[ch]      words the kernel stores for threads
 *   record/stores.[ch]      insiders' calls that change what is mapped
 *   record/sched.[ch]       share groups, whose turn it is
 *   record/affinity.[ch]    processors, real and believed
 *   record/calls.[ch]       entry and exit of calls
 *   record/checksum.[ch]    when memory is hashed
 *   record/outputs.[ch]     bytes that a call wrote
 *   record/scratch.[ch]     outputs of calls that wait
 *   record/special.[ch]     calls treated one by one
 *   record/moved.[ch]       sources of sendfile and splice
 *   record/mm.[ch]          calls that change address spaces
 *   record/maplist.[ch]     mappings of a process, listed
 *   record/mapping.[ch]     one mapping into the trace
 *   record/object.[ch]      objects, descriptors, saved pages
 *   record/resave.[ch]      what is mapped once more
 *   record/stamp.[ch]       size and times of its file
 *   record/exec.[ch]        the image after exec
 *   record/signals.[ch]     delivers and holds back signals
 *   record/preempt.[ch]     stops between calls: a place that can be found
 *   record/telling.[ch]     ... and the memory that tells it
 *   record/words.[ch]       words that differ in two pictures
 *   record/patch.[ch]       cpuid, rdtsc: patched, carried out
 *   record/emit.[ch]        events into trace and model
 *   record/outside.[ch]     outside changes, first to last
 *   record/remote.[ch]      outsiders in an insider's memory
 *   record/sums.[ch]        many changes of one outsider
 *   record/insiders.[ch]    which insiders could see it
 *   record/compare.[ch]     contents against the last snapshot
 *   record/look.[ch]        when which pages are compared
 *   record/resident.[ch]    pages in outsiders' page tables
 *   record/rearm.[ch]       write faults turned on again
 *   record/exposure.[ch]    who could write
 *   record/who.[ch]         outsiders by name
 *   record/about.[ch]       what the kernel told of them
 *   record/codefile.[ch]    files that they run, kept open
 *   record/stacks.[ch]      where they were, by name
 *   record/image.[ch]       looks at what is executed
 *   record/faults.[ch]      pages an outsider may store into
 *   record/beneath.[ch]     block devices, breakpoints
 *   record/fskind.[ch]      file systems whose contents come from elsewhere
 *   record/logged.[ch]      calls that a program made without a stop
 *   record/lower.[ch]       what lies below devices, by sysfs
 *   record/holders.[ch]     who can write an object
 *   record/sharing.[ch]     what closes share groups
 *
 * Instructions, decoded
 *   tracee/access.[ch]      what an instruction reads and stores
 *   tracee/comparer.[ch]    machine code that compares a state in line
 *   tracee/gopclntab.[ch]   functions of Go programs
 *   tracee/relocate.[ch]    instructions moved elsewhere
 *   tracee/sites.[ch]       finds cpuid, rdtsc in a file
 *   tracee/wrappers.[ch]    finds functions of libc that make one call
 *
 * One ptraced thread
 *   tracee/tracee.h         one ptraced thread
 *   tracee/calllog.[ch]     code in it that makes calls without a stop
 *   tracee/cpuids.[ch]      code in it that answers cpuid without a stop
 *   tracee/filter.[ch]      the seccomp filter
 *   tracee/home.[ch]        which processor it runs on
 *   tracee/memory.c         reads and writes its memory
 *   tracee/regs.c           its registers, extended state
 *   tracee/stop.[ch]        kinds of ptrace stops
 *   tracee/launch.c         starts the command, seized
 *   tracee/exec.c           makes a new image recordable
 *   tracee/files.c          our descriptors for its files
 *   tracee/inject.[ch]      injected system calls
 *   tracee/maps.c           its mappings
 *   tracee/pagemap.c        which pages are private copies
 *   tracee/procfs.c         what /proc tells of it
 *   tracee/signals.[ch]     signal state handed on
 *   tracee/tsc.c            does rdtsc fault where it is forbidden?
 *
 * The kernel side, loaded and read
 *   kern/kern.h             an observation, its contract
 *   kern/open.c             begins and ends an observation
 *   kern/state.h            inside of an observation
 *   kern/attach.c           attaches each loaded program
 *   kern/load.c             which hooks this kernel has
 *   kern/verify.[ch]        programs verified in two threads
 *   kern/places.[ch]        where programs are attached, by the kernel's BTF
 *   kern/btf.[ch]           the part of the kernel's BTF that loading needs
 *   kern/iter.c             reads the kernel's lists
 *   kern/ring.c             reads the ring buffer
 *   kern/sum.c              takes changes that were summed up
 *   kern/keeper.c           closes descriptors behind our back
 *   kern/tier.c             choke points or tracepoints
 *   kern/tracefs.c          numbers of classic tracepoints
 *
 * The kernel side itself
 *   bpf/choke.bpf.h         what programs at choke points share
 *   bpf/choke.bpf.c         choke points: writes
 *   bpf/choke_map.bpf.c     choke points: mappings, faults, memory of others
 *   bpf/choke_size.bpf.c    choke points: sizes, space, shared blocks, descriptors
 *   bpf/emit.bpf.c          makes ring buffer records
 *   bpf/fault.bpf.c         stores through shared mappings
 *   bpf/flight.bpf.c        calls that are under way
 *   bpf/iter.bpf.c          lists of mappings, descriptors, holders
 *   bpf/map.bpf.c           mmap, mprotect, munmap and kin
 *   bpf/maps.bpf.[ch]       BPF maps and constants
 *   bpf/object.bpf.c        from descriptor to page-cache object
 *   bpf/obs.bpf.h           what these programs share
 *   bpf/probe.bpf.c         trial programs of probe
 *   bpf/probe_types.h       kernel types for the trials
 *   bpf/size.bpf.c          fallocate, ftruncate, open with O_TRUNC
 *   bpf/cut.bpf.c           truncate(path)
 *   bpf/sum.bpf.c           many changes told as one
 *   bpf/nr.bpf.h            numbers of system calls
 *   bpf/sys.bpf.h           beginnings and ends of system calls
 *   bpf/native.bpf.c        calls of 64-bit programs
 *   bpf/writing.bpf.c       ... those that write
 *   bpf/tree.bpf.c          fork, exec, exit of insiders
 *   bpf/who.bpf.c           stack and process of an outsider
 *   bpf/write.bpf.c         write family, sendfile, splice, copy_file_range
 *   bpf/other.bpf.c         clone, MADV_REMOVE, aio
 *   bpf/remote.bpf.c        memory of insiders themselves
 *   bpf/uring.bpf.c         requests of io_uring
 *   bpf/uprobe.bpf.c        breakpoints in insiders' memory
 *   bpf/pin.bpf.c           pages that somebody has pinned
 *   bpf/late.bpf.c          stores by the kernel into outsiders' mappings
 *   bpf/compat.bpf.c        calls of 32-bit programs
 *
 * Live memory into the trace
 *   space/space.h           live memory into page store
 *   space/file.c            pages of a file
 *   space/memory.c          private pages of a tracee
 *   space/runs.c            runs of page ids
 *   space/read.[ch]         reads a file's pages
 *   space/compare.c         a file against its snapshot
 *   space/hash.[ch]         hashes of live pages
 *
 * Who maps what, as a function of events
 *   model/state.h           inside of the model
 *   model/maps.c            events that change address spaces
 *   model/pagemap.[ch]      page ids of an object
 *   model/tasks.c           threads and their address spaces
 *   model/files.[ch]        descriptors that lead to stdin, stdout, stderr
 *   model/vmas.[ch]         mappings of one address space
 *   model/clone.c           a model copied
 *   model/regs.[ch]          what must be equal between a recording and its replay: registers, extended state
 *   model/model.h           who maps what, from events
 *   model/apply.c           the model made, fed, freed
 *
 * What system calls do to memory
 *   sys/sys.h               what calls do to memory
 *   sys/table.c             the table of all calls
 *   sys/table_file.inc      calls on descriptors
 *   sys/table_fs.inc        calls on paths, mounts
 *   sys/table_ipc.inc       System V IPC, futexes, keys
 *   sys/table_mm.inc        calls on memory
 *   sys/table_net.inc       sockets
 *   sys/table_proc.inc      processes, limits, scheduling
 *   sys/table_refused.inc   calls that are refused
 *   sys/table_signal.inc    signals
 *   sys/table_time.inc      clocks and timers
 *   sys/rules.h             language of the table
 *   sys/run.[ch]            evaluates a call's rules
 *   sys/fns.h               rules that need functions
 *   sys/fn_fs.c             handles, mounts, attributes, quotas
 *   sys/fn_key.c            keyctl
 *   sys/fn_mm.c             mincore, memory nodes
 *   sys/fn_net.c            recvfrom, socket options
 *   sys/fn_proc.c           clone, capabilities, scheduling
 *   sys/fn_wait.c           futex, sleep, pselect
 *   sys/cmds.c              fcntl, prctl and other commands
 *   sys/ioctl.c             ioctls by number
 *   sys/ioctl_table.c       ioctls that have a row
 *   sys/msg.c               msghdr and mmsghdr
 *   sys/new_nr.h            numbers newer than headers
 *   sys/ioctl.h             private to ioctl files
 *   sys/ioctl_nested.c      ioctls whose structs hold pointers
 *   sys/scratch.c           which outputs go to scratch
 *   sys/query.c             answers about one call
 *
 * The only code that writes or reads a trace
 *   trace/writer.[ch]       events and pages into frames
 *   trace/writer_impl.h     inside of the writer
 *   trace/sink.[ch]         file that frames go to
 *   trace/queue.[ch]        helper thread that writes
 *   trace/pages.[ch]        from page hash to id
 *   trace/clone.c           pages in cloned files
 *   trace/manifest.c        the end of a trace
 *   trace/reader.[ch]       opens and walks a trace
 *   trace/reader_impl.h     inside of the reader
 *   trace/reader_pages.c    contents of pages
 *   trace/index.[ch]        checked chain of frames
 *   trace/frame.[ch]        heads of files and frames
 *   trace/event_check.[ch]  rules for every event
 *   trace/event_body.c      rules for each type's body
 *   trace/dir.[ch]          trace directory, links not followed
 *   trace/hash.h            hashes of the format
 *   trace/error.h           what can be wrong
 *
 * The verdict
 *   check/state.h           what check knows meanwhile
 *   check/facts.c           facts of each event
 *   check/outcome.c         outcome of one outside change
 *   check/verdict.c         verdict at the trace's end
 *   check/live.c            events judged while they are written
 *   replay/replay.h         runs a trace again: the engine's interface
 *   replay/state.h          inside of it
 *   replay/engine.c         the events of a trace, one after the other
 *   replay/window.c         the events that come next
 *   replay/ahead.c          share groups run at the same time
 *   replay/scope.c          what one process needs of the others
 *   replay/patience.c       events that don't come
 *   replay/debug.c          breakpoints, single steps
 *   replay/checkpoint.c     a replay copied, and gone back to
 *   replay/place.c          processors of the stubs, and waiting for one
 *   replay/stub.c           processes in which recorded user code runs, and calls made in them
 *   replay/task.c           recorded threads: clone, exec, exit
 *   replay/run.c            to the next stop, and what kind of stop it is
 *   replay/memory.c         recorded address spaces made again
 *   replay/object.c         page-cache objects: memfds
 *   replay/calls.c          calls answered from the trace
 *   replay/signals.c        handlers entered, preemption points, patched instructions
 *   replay/match.[ch]       a comparer put into a stub process
 *   replay/memhash.c        memory compared with the recorded hashes
 *   replay/point.c          preemption points found again
 *   replay/hunt.[ch]        ... run, stepped and kept from running for ever meanwhile
 *   replay/guard.[ch]       ... in code that the program writes to
 *   replay/terms.[ch]       what a comparer compares, and in which order
 *   replay/source.c         a thread as symbols and core files need it
 *   replay/output.c         what the program wrote there, written again
 *   check/check.h           the verdict, its contract
 *   check/run.c             one pass over a trace
 *
 * Every result, for people and as JSON
 *   show/check.h            report of check
 *   show/check_json.c       report as JSON
 *   show/blame.[ch]         the change that made a replay differ
 *   show/check_text.c       report for a person
 *   show/check_who.c        who did it, and where
 *   show/json.[ch]          helpers around jansson
 *   show/probe.[ch]         what probe found
 *   show/table.[ch]         aligned columns
 *   show/term.[ch]          colours, and text made safe
 *   show/ps.[ch]            processes of a trace
 *   show/dump.[ch]          what dump prints
 *   show/dump_state.c       mappings and pages it prints
 *   show/event.[ch]         decodes events of a trace
 *   show/event_memory.c     events about objects, pages, mappings
 *   show/event_outside.c    events about what is outside
 *   show/event_program.c    events about the program
 *   show/sink.h             where decoded records go
 *   show/sink_json.c        one JSON object a line
 *   show/sink_text.c        one line of text
 *
 * Symbols of a stopped process, and core files
 *   sym/source.h            its memory and mappings, by callbacks
 *   sym/image.[ch]          ELF files as they lie in memory
 *   sym/stack.[ch]          stacks with names
 *   sym/copied.[ch]         of a process that is gone
 *   sym/core.[ch]           core files for debuggers
 *
 * What this kernel and machine can do
 *   probe/probe.[ch]        table of facts, and run
 *   probe/trial.[ch]        runs a trial in a child
 *   probe/bpf.[ch]          loads one trial program
 *   probe/facts.h           the trials, one per fact
 *   probe/facts_bpf.c       types of BPF programs
 *   probe/facts_cpu.c       processor features
 *   probe/facts_help.c      BPF helpers, BTF, lockdown
 *   probe/facts_iter.c      BPF iterators
 *   probe/facts_mem.c       page tracking, userfaultfd, pidfd
 *   probe/facts_ptrace.c    ptrace and seccomp
 *   probe/facts_step.c      single steps, hardware breakpoints
 *   probe/puppet.[ch]       a traced child for trials
 *   probe/priv.[ch]         what we are allowed
 *   probe/observe.[ch]      every filesystem, one after the other
 *   probe/places.[ch]       filesystems found, or made for the trial
 *   probe/loop.[ch]         loop devices
 *   probe/attempt.[ch]      tries every channel on one filesystem
 *   probe/ops.h             changes that channels stand for
 *   probe/ops_call.c        changes by system calls
 *   probe/ops_map.c         changes through mappings
 *   probe/ops_ring.c        changes by io_uring, aio
 *   probe/ops_below.c       changes by the kernel itself
 *   probe/channels.[ch]     table of channels and filesystems
 *   probe/settle.[ch]       decides one cell of it
 *
 * Helpers
 *   util/err.[ch]           text of the last error
 *   util/names.[ch]         text of enumerations
 *   util/nearest.[ch]       how alike two words are
 *   util/ranges.[ch]        sets of numbers, kept as ranges
 */
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"

/** What the command printed must have arrived: a full disk is no success. */
static int finish(const struct cmd *c, int code)
{
	if (!fflush(stdout) && !ferror(stdout))
		return code;
	fprintf(stderr, "bprec: %s: can't write to the standard output: %m\n", c->name);
	return c->usage_exit;
}

static int run_command(int argc, char **argv)
{
	const struct cmd *c = cmd__find(argv[0]);

	if (!c)
		return cmd__unknown(argv[0]);
	if (!cmd__wants_help(c, argc, argv))
		return finish(c, c->run(argc, argv));
	cmd__help(c);
	return finish(c, EXIT_OK);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		cmd__overview(stderr);
		return EXIT_TROUBLE;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		puts("bprec " BPREC_VERSION);
		return finish(&cmd_help, EXIT_OK);
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		argv[1] = "help";
	return run_command(argc - 1, argv + 1);
}
