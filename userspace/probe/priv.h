/* SPDX-License-Identifier: MIT */
/* priv.h: what this process is allowed to do, to tell "the kernel can't" from "we may not". */
#ifndef BPREC_PROBE_PRIV_H
#define BPREC_PROBE_PRIV_H

#include <stdbool.h>

/** Is the capability (CAP_*, below 64) effective? Where the kernel accepts CAP_SYS_ADMIN in the place of CAP_BPF or
 *  CAP_PERFMON (capabilities(7)), that counts too. */
bool priv__has(int cap);
/** Is this the initial user namespace? Capabilities of another one are worth nothing for BPF. */
bool priv__initial_userns(void);
/** Mounts a file system of the kernel's (tracefs, securityfs) at dir in a mount namespace of the calling process alone,
 *  unless the file `proof` is there already. Only for a trial's child, with which it goes. 0: it was there; 1: mounted;
 *  -errno. */
int priv__mount_own(const char *type, const char *dir, const char *proof);
/** The same for tracefs, which classic tracepoints need; debugfs with it will do. */
int priv__tracefs(void);

#endif
