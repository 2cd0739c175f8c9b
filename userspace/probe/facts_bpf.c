/* SPDX-License-Identifier: MIT */
/* facts_bpf.c: the types of BPF programs, each loaded, attached and triggered by a call of this process. */
#include "probe/facts.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "probe/bpf.h"
#include "probe/priv.h"

/* Argument by which the trial of tp_btf knows its call: no process group has this number. */
#define MAGIC_PGID 0x7ab1ec0d

/* One write of one byte at offset 0 of a new memfd: passes sys_enter_pwrite64 and security_file_permission once. */
static int trigger_write(void)
{
	const int fd = memfd_create("bprec-probe", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	return pwrite(fd, "x", 1, 0) == 1 ? 0 : -errno;
}

/* Loads, attaches, makes one write, looks whether the program ran. */
static void try_on_write(struct trial *t, const char *prog, const char *target)
{
	struct bpf_trial b;

	if (!bpf_trial__start(&b, t, prog))
		return;
	const int err = trigger_write();

	if (err)
		trial__unknown(t, "attached, but the trigger failed: %s", trial__errno(-err));
	else if (bpf_trial__hits(&b))
		trial__yes(t, "loaded, attached to %s, ran at a write", target);
	else
		trial__no(t, "loaded and attached to %s, but did not run at a write", target);
}

void fact__tp_btf(struct trial *t, void *arg)
{
	struct bpf_trial b;

	(void)arg;
	if (!bpf_trial__load(&b, t, "try_tp_btf"))
		return;
	b.skel->bss->wanted = MAGIC_PGID;
	b.link = bpf_program__attach(b.prog);
	if (!b.link) {
		trial__no(t, "loaded, attach: %s", trial__errno(errno));
		return;
	}
	syscall(SYS_getpgid, MAGIC_PGID);
	if (bpf_trial__hits(&b))
		trial__yes(t, "loaded, attached to sys_enter, ran and read the call's argument");
	else
		trial__no(t, "loaded and attached to sys_enter, but did not see the call");
}

void fact__raw_tp(struct trial *t, void *arg)
{
	(void)arg;
	try_on_write(t, "try_raw_tp", "sys_enter");
}

void fact__tracepoint(struct trial *t, void *arg)
{
	const int fs = priv__tracefs();

	(void)arg;
	if (fs < 0)
		return trial__refused(t, CAP_SYS_ADMIN, "tracefs is not mounted, and mount", -fs);
	try_on_write(t, "try_tracepoint",
		     fs ? "sys_enter_pwrite64 (tracefs mounted for the trial alone)"
			: "sys_enter_pwrite64");
}

void fact__fentry(struct trial *t, void *arg)
{
	(void)arg;
	try_on_write(t, "try_fentry", "security_file_permission");
}

void fact__fexit(struct trial *t, void *arg)
{
	(void)arg;
	try_on_write(t, "try_fexit", "security_file_permission");
}

void fact__fmod_ret(struct trial *t, void *arg)
{
	(void)arg;
	try_on_write(t, "try_fmod_ret", "security_file_permission");
}

void fact__kprobe(struct trial *t, void *arg)
{
	(void)arg;
	priv__tracefs(); /* only the older way of attaching needs it */
	try_on_write(t, "try_kprobe", "security_file_permission");
}

void fact__lsm(struct trial *t, void *arg)
{
	(void)arg;
	try_on_write(t, "try_lsm", "file_permission");
}
