// SPDX-License-Identifier: MIT
/*
 * empty-hooks.c: attaches programs that do nothing to the entries and exits of some system calls, prints "ready", and waits for
 * the end of its input. What calls cost meanwhile is what the kernel takes for such hooks, whatever they do.
 *
 * libs: -lbpf
 */
#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EVENTS "/sys/kernel/tracing/events/syscalls"

/** Number of a tracepoint of system calls. */
static unsigned long id_of(const char *edge, const char *call)
{
	char path[256];
	unsigned long id;

	snprintf(path, sizeof(path), EVENTS "/sys_%s_%s/id", edge, call);
	FILE *f = fopen(path, "re");
	if (!f || fscanf(f, "%lu", &id) != 1) {
		perror(path);
		exit(3);
	}
	fclose(f);
	return id;
}

static void attach(int prog, const char *edge, const char *call)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_TRACEPOINT,
					.size = sizeof(attr),
					.config = id_of(edge, call) };
	int fd = (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd < 0 || ioctl(fd, PERF_EVENT_IOC_SET_BPF, prog) ||
	    ioctl(fd, PERF_EVENT_IOC_ENABLE, 0)) {
		perror(call);
		exit(3);
	}
}

int main(int argc, char **argv)
{
	const struct bpf_insn nothing[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int prog = bpf_prog_load(BPF_PROG_TYPE_TRACEPOINT, "nothing", "GPL", nothing, 2, NULL);
	char c;

	if (prog < 0) {
		perror("bpf_prog_load");
		return 3;
	}
	if (access(EVENTS, F_OK))
		mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, NULL);
	for (int i = 1; i < argc; i++) {
		attach(prog, "enter", argv[i]);
		attach(prog, "exit", argv[i]);
	}
	puts("ready");
	fflush(stdout);
	return read(STDIN_FILENO, &c, 1) < 0;
}
