// SPDX-License-Identifier: MIT
/*
 * fn_net.c: rules of recvfrom, getsockopt and setsockopt.
 *
 * Options are flat memory of the length given, but for a few that hold pointers or let the kernel use the program's memory
 * later. Of those the harmless ones (filters, which are only read) are described; the others are refused a description:
 * tables of netfilter (counters are written through a pointer), TCP_ZEROCOPY_RECEIVE (changes the address space), and the
 * memory of AF_XDP (written at any time).
 */
#include "sys/fns.h"

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>

/* Levels and options from include/uapi: linux/in.h, in6.h, netfilter, if_xdp.h, tcp.h, if_packet.h. */
enum {
	LEVEL_IP = 0,
	LEVEL_TCP = 6,
	LEVEL_IPV6 = 41,
	LEVEL_PACKET = 263,
	LEVEL_XDP = 283,
	TCP_ZEROCOPY = 35,
	TABLES_SET_REPLACE =
		64, /* IPT_SO_SET_REPLACE, IP6T_..., EBT_... begins at 128, ARPT_... at 96 */
	ARP_SET_REPLACE = 96,
	EBT_SET_ENTRIES = 128,
	PACKET_FANOUT_FILTER = 22,
	XDP_UMEM = 4,
	REUSEPORT_FILTER = 51, /* SO_ATTACH_REUSEPORT_CBPF */
};

int sys_fn_recvfrom(struct run *r, const struct sys_rule *rule)
{
	static const struct sys_rule from[] = { OUT_AT(4, 5), INOUT(5, 4), NONE };
	uint32_t flags = r->in->args[3] & MSG_TRUNC ? SPAN_WEAK : 0;
	int err;

	(void)rule;
	if (!run__due(r, WHEN_OK))
		return 0;
	err = run__mem(r, 1, run__by_ret(r, r->in->args[2]), SYS_WRITES, flags);
	/* Without a buffer for it the length is neither read nor written. */
	return err || !r->in->args[4] ? err : run__rules(r, from);
}

int sys_fn_getsockopt(struct run *r, const struct sys_rule *rule)
{
	/* With ERANGE the length is set to what would do (SO_PEERSEC, SO_PEERGROUPS). */
	static const struct sys_rule value[] = { OUT_AT(3, 4), INOUT_ALWAYS(4, 4), NONE };
	int level = (int)r->in->args[1], name = (int)r->in->args[2];

	(void)rule;
	if (level == LEVEL_TCP && name == TCP_ZEROCOPY)
		return -EOPNOTSUPP;
	return run__rules(r, value);
}

static bool sockopt_writes(int level, int name)
{
	if (level == LEVEL_IP || level == LEVEL_IPV6)
		return name == TABLES_SET_REPLACE || name == ARP_SET_REPLACE ||
		       name == EBT_SET_ENTRIES;
	return level == LEVEL_XDP && name == XDP_UMEM;
}

static bool sockopt_filter(int level, int name)
{
	if (level == SOL_SOCKET)
		return name == SO_ATTACH_FILTER || name == REUSEPORT_FILTER;
	return level == LEVEL_PACKET && name == PACKET_FANOUT_FILTER;
}

int sys_fn_setsockopt(struct run *r, const struct sys_rule *rule)
{
	static const struct sys_rule filter[] = { { .kind = RULE_FN, .arg = 3, .fn = sys_fn_fprog },
						  NONE };
	int level = (int)r->in->args[1], name = (int)r->in->args[2];

	(void)rule;
	if (sockopt_writes(level, name))
		return r->mode == RUN_OUT && run__failed(r) && r->in->ret != -EFAULT ? 0
										     : -EOPNOTSUPP;
	if (r->mode == RUN_TOUCH && sockopt_filter(level, name))
		return run__rules(r, filter);
	return run__mem(r, 3, (uint32_t)r->in->args[4], SYS_READS, 0);
}
