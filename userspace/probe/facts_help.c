/* SPDX-License-Identifier: MIT */
/*
 * facts_help.c: what BPF programs can do (ring buffer, look-ups, signals, reads), BTF, and lockdown.
 *
 * Each helper is called by a program that is loaded, attached and triggered here, and has to have had its effect: the
 * record arrives, the signal is caught, the value read is the one that was stored.
 */
#include "probe/facts.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "probe/bpf.h"
#include "probe/priv.h"

static int take_record(void *ctx, void *data, size_t len)
{
	if (len >= sizeof(uint64_t))
		memcpy(ctx, data, sizeof(uint64_t));
	return 0;
}

void fact__ringbuf(struct trial *t, void *arg)
{
	const uint64_t sent = 0x0123456789abcdef;
	struct ring_buffer *rb;
	uint64_t got = 0;
	struct bpf_trial b;

	(void)arg;
	if (!bpf_trial__load(&b, t, "try_ringbuf"))
		return;
	b.skel->bss->wanted = sent;
	rb = ring_buffer__new(bpf_map__fd(b.skel->maps.ring), take_record, &got, NULL);
	if (!rb)
		return trial__no(t, "made, but not mapped: %s", trial__errno(errno));
	b.link = bpf_program__attach(b.prog);
	if (!b.link)
		return trial__unknown(t, "made, but its writer can't be attached: %s",
				      trial__errno(errno));
	syscall(SYS_getppid);
	ring_buffer__consume(rb);
	if (got == sent)
		trial__yes(t, "a program put a record in, and it came out");
	else if (bpf_trial__hits(&b))
		trial__no(t, "a program put a record in, and it did not come out");
	else
		trial__no(t, "no record could be put in");
}

/* Pages of the mapping that is looked up. The look-up may be busy with somebody else's on the same processor (-EBUSY), so
 * that one fault proves nothing. */
#define FIND_PAGES 64u

/* Stores into one page after the other until the program has found the mapping. Returns whether it did. */
static bool look_up(struct bpf_trial *b, char *map)
{
	for (unsigned int i = 1; i < FIND_PAGES; i++) {
		b->skel->bss->wanted = (uintptr_t)map + i * 4096;
		*(volatile char *)(map + i * 4096) = 1;
		if (b->skel->bss->seen == (uintptr_t)map)
			return true;
	}
	return false;
}

void fact__find_vma(struct trial *t, void *arg)
{
	const int fd = memfd_create("bprec-probe", MFD_CLOEXEC);
	char *map = MAP_FAILED;
	struct bpf_trial b;

	(void)arg;
	if (fd >= 0 && ftruncate(fd, FIND_PAGES * 4096) == 0)
		map = mmap(NULL, FIND_PAGES * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return trial__unknown(t, "no mapping to look up: %s", trial__errno(errno));
	if (!bpf_trial__start(&b, t, "try_find_vma"))
		return;
	if (look_up(&b, map))
		trial__yes(t, "at a page fault, it gave the VMA of the address");
	else if (!bpf_trial__hits(&b))
		trial__no(t, "page_fault_user did not show first stores");
	else if ((int64_t)b.skel->bss->seen == -EBUSY)
		trial__unknown(
			t, "each of %u look-ups found the processor's or the mappings' lock busy",
			FIND_PAGES - 1);
	else
		trial__no(t, "page_fault_user ran, but no VMA was found there");
}

static volatile sig_atomic_t signals;

static void on_signal(int sig)
{
	(void)sig;
	signals++;
}

void fact__send_signal(struct trial *t, void *arg)
{
	struct bpf_trial b;

	(void)arg;
	signal(SIGUSR1, on_signal);
	if (!bpf_trial__load(&b, t, "try_send_signal"))
		return;
	b.skel->bss->wanted = SIGUSR1;
	b.link = bpf_program__attach(b.prog);
	if (!b.link)
		return trial__unknown(t, "loaded, attach: %s", trial__errno(errno));
	syscall(SYS_getppid);
	/* Sent by irq_work where the program runs with interrupts off: it comes a moment later. */
	for (int ms = 0; ms < 200 && !signals; ms++)
		poll(NULL, 0, 1);
	if (signals)
		trial__yes(t, "a program sent SIGUSR1, and the handler ran");
	else if (bpf_trial__hits(&b))
		trial__no(t, "a program sent SIGUSR1 (result %lld), and nothing came",
			  (long long)b.skel->bss->seen);
	else
		trial__no(t, "the program did not run");
}

void fact__kernel_read(struct trial *t, void *arg)
{
	struct bpf_trial b;

	(void)arg;
	if (!bpf_trial__start(&b, t, "try_kernel_read"))
		return;
	syscall(SYS_getppid);
	if (!bpf_trial__hits(&b))
		trial__no(t, "the program did not run");
	else if (b.skel->bss->seen)
		trial__yes(
			t,
			"a program read task_struct.tgid at the offset that BTF gives, and it was right");
	else
		trial__no(t, "a program read task_struct.tgid, and it was wrong");
}

void fact__btf(struct trial *t, void *arg)
{
	struct btf *btf = btf__load_vmlinux_btf();
	const int err = errno;

	(void)arg;
	if (!btf)
		return trial__no(t, "the kernel's types can't be read: %s", trial__errno(err));
	if (btf__find_by_name_kind(btf, "vm_area_struct", BTF_KIND_STRUCT) > 0)
		trial__yes(t, "%u types, vm_area_struct among them", btf__type_cnt(btf) - 1);
	else
		trial__no(t, "%u types, but no vm_area_struct", btf__type_cnt(btf) - 1);
}

/* The mode that the kernel names in securityfs, for the reason only; "" if it can't be read. */
static void lockdown_mode(char *buf, size_t size)
{
	priv__mount_own("securityfs", "/sys/kernel/security", "/sys/kernel/security/lockdown");

	const int fd = open("/sys/kernel/security/lockdown", O_RDONLY | O_CLOEXEC);
	const ssize_t n = fd < 0 ? 0 : read(fd, buf, size - 1);

	buf[n > 0 ? n : 0] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	if (fd >= 0)
		close(fd);
}

/*
 * Two things that lockdown in mode integrity takes away, and privileges don't: ioperm(2), which asks
 * security_locked_down after it has checked CAP_SYS_RAWIO (arch/x86/kernel/ioport.c; ENOSYS where it is not built in),
 * and then the helper bpf_probe_write_user (kernel/trace/bpf_trace.c). Port 0x80 is not touched, the program not run.
 */
void fact__lockdown(struct trial *t, void *arg)
{
	char mode[80] = "";
	struct bpf_trial b;
	struct trial other;

	(void)arg;
	if (!priv__has(CAP_SYS_RAWIO) || !priv__has(CAP_SYS_ADMIN) || !priv__initial_userns())
		return trial__unknown(t, "needs root: what lockdown refuses is refused anyway");
	lockdown_mode(mode, sizeof(mode));
	const char *named = *mode ? mode : "no word of it in securityfs";

	if (ioperm(0x80, 1, 1) == 0)
		return trial__no(t, "ioperm is allowed (%s)", named);
	if (errno == EPERM)
		return trial__yes(t, "ioperm: EPERM though CAP_SYS_RAWIO is held (%s)", named);
	if (bpf_trial__load(&b, &other, "try_user_write"))
		return trial__no(t, "bpf_probe_write_user is allowed (%s)", named);
	if (bpf_trial__load(&b, &other, "try_raw_tp"))
		return trial__yes(t, "BPF loads, but not with bpf_probe_write_user (%s)", named);
	trial__unknown(t, "neither ioperm nor BPF can be tried (%s)", named);
}
