/* SPDX-License-Identifier: MIT */
/*
 * killat.c: runs a command and kills it (SIGKILL, to itself alone) at the entry of a chosen system call.
 *
 *   killat log FILE -- CMD...           writes a line "NR NAME" for each call to FILE; NAME: last part of the path of the
 *                                       descriptor that is its first argument, "-" if none. Returns the command's status.
 *   killat NR NAME K -- CMD...          kills it at its K-th call with this number and name
 *
 * Prints "killed" or "ended STATUS". Only the first thread of the command is watched, none of its children.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static FILE *log_file;
static long want_nr, want_k;
static const char *want_name = "-";

/* Calls whose first argument is a descriptor, as far as the recorder makes them. */
static const int fd_calls[] = { SYS_read,    SYS_write,	    SYS_close,	   SYS_fstat,  SYS_lseek,
				SYS_ioctl,   SYS_pread64,   SYS_pwrite64,  SYS_readv,  SYS_writev,
				SYS_fsync,   SYS_fdatasync, SYS_ftruncate, SYS_fchmod, SYS_openat,
				SYS_pwritev, SYS_preadv };

static const char *fd_name(pid_t pid, long nr, unsigned long long fd)
{
	size_t i = 0;

	while (i < sizeof(fd_calls) / sizeof(fd_calls[0]) && fd_calls[i] != nr)
		i++;
	if (i == sizeof(fd_calls) / sizeof(fd_calls[0]))
		return "-";
	static char path[512];
	char link[64];

	if (fd > 65535)
		return "-";
	snprintf(link, sizeof(link), "/proc/%d/fd/%llu", pid, fd);
	ssize_t n = readlink(link, path, sizeof(path) - 1);
	if (n <= 0)
		return "-";
	path[n] = 0;
	for (char *c = path; *c; c++)
		if (*c == ' ')
			*c = '_';
	const char *slash = strrchr(path, '/');
	return slash && slash[1] ? slash + 1 : path;
}

/* At the entry of a call: 1 if this is the one to die at. */
static int is_it(pid_t pid)
{
	struct user_regs_struct r;

	if (ptrace(PTRACE_GETREGS, pid, 0, &r))
		return 0;
	long nr = (long)r.orig_rax;
	const char *name = log_file || nr == want_nr ? fd_name(pid, nr, r.rdi) : "-";
	if (log_file)
		fprintf(log_file, "%ld %s\n", nr, name);
	else if (nr == want_nr && !strcmp(name, want_name))
		return --want_k == 0;
	return 0;
}

static int follow(pid_t pid)
{
	int status, entry = 1, sig = 0;

	waitpid(pid, &status, 0);
	ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
	for (;;) {
		ptrace(PTRACE_SYSCALL, pid, 0, sig);
		if (waitpid(pid, &status, 0) < 0)
			return -1;
		if (WIFEXITED(status) || WIFSIGNALED(status))
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		sig = WSTOPSIG(status);
		if (sig == SIGTRAP)
			sig = 0; /* after an exec */
		if (sig != (SIGTRAP | 0x80))
			continue;
		sig = 0;
		if (entry && is_it(pid)) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			return -2;
		}
		entry = !entry;
	}
}

int main(int argc, char **argv)
{
	int dash = 1;

	while (dash < argc && strcmp(argv[dash], "--"))
		dash++;
	if (dash + 1 >= argc || dash < 3)
		return 99;
	if (!strcmp(argv[1], "log")) {
		log_file = fopen(argv[2], "w");
		if (!log_file)
			return 99;
	} else {
		want_nr = atol(argv[1]);
		want_name = argv[2];
		want_k = atol(argv[3]);
	}
	pid_t pid = fork();
	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		execv(argv[dash + 1], argv + dash + 1);
		_exit(98);
	}
	int status = follow(pid);
	if (log_file && fclose(log_file))
		return 99;
	if (status == -2)
		printf("killed\n");
	else
		printf("ended %d\n", status);
	return 0;
}
