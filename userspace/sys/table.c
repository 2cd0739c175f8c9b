// SPDX-License-Identifier: MIT
/*
 * table.c: every system call of x86-64 up to Linux 6.18: name, number of arguments, class, flags, and the rules that say
 * which memory it reads and writes. The rows are in table_*.inc by family, one line each (see rules.h for the words).
 *
 * Numbers are those of asm/unistd_64.h; those that are newer than Debian 12's header (6.1) are defined in new_nr.h with
 * the version that brought them. tests/unit/test_sys_table.c compares.
 */
#include "sys/fns.h"
#include "sys/new_nr.h"
#include "sys/rules.h"

#include <errno.h>
#include <string.h>

#include <mqueue.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/timex.h>
#include <sys/utsname.h>

/* Sizes that the kernel has in another form than the C library. */
#define SIGSET_LEN 8u /* sigset_t of the kernel: 64 signals */
#define SIGACTION_LEN \
	32u /* struct sigaction of the kernel (arch/x86: handler, flags, restorer, mask) */
#define STATX_LEN   256u /* struct statx */
#define USTAT_LEN   32u	 /* struct ustat */
#define UTSNAME_LEN 390u /* struct new_utsname: 6 texts of 65 */

/* Short names for flags, valid in the rows only. */
#define BLOCK SYS_MAY_BLOCK
#define FD    SYS_WRITES_FD
#define OPENS SYS_OPENS
#define BOUND SYS_EINTR_BOUND
#define YIELD SYS_YIELDS
#define TIME  SYS_TIME

/* clang-format off */
#define CALL(call, args, cls, fl, ...) \
	[__NR_##call] = { .name = #call, .nargs = (args), .sysclass = SYS_CLASS_##cls, .flags = (fl), \
			  .rules = RULES(__VA_ARGS__) },
#define REFUSE(call, args, code) \
	[__NR_##call] = { .name = #call, .nargs = (args), .sysclass = SYS_CLASS_REFUSED, \
			  .refuse_errno = (code), .rules = RULES(NONE) },
/* clang-format on */

static const struct sys_call table[SYS_NR_MAX] = {
#include "sys/table_file.inc"
#include "sys/table_fs.inc"
#include "sys/table_ipc.inc"
#include "sys/table_mm.inc"
#include "sys/table_net.inc"
#include "sys/table_proc.inc"
#include "sys/table_refused.inc"
#include "sys/table_signal.inc"
#include "sys/table_time.inc"
};

const struct sys_call *sys__lookup(uint64_t nr)
{
	return nr < SYS_NR_MAX && table[nr].name ? &table[nr] : NULL;
}

int sys__number(const char *name)
{
	for (int i = 0; i < SYS_NR_MAX; i++)
		if (table[i].name && !strcmp(table[i].name, name))
			return i;
	return -1;
}
