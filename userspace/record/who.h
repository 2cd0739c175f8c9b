/* SPDX-License-Identifier: MIT */
/* who.h: outsiders by name. */
#ifndef BPREC_RECORD_WHO_H
#define BPREC_RECORD_WHO_H

#include "record/recorder.h"

/** Id of the outsider, 0 if nobody can be named or on failure. who__write comes before an event that refers to it.
 *  start_ns: of its process, since boot; exe: as far as the kernel could tell, "" if not. */
uint32_t who__id(struct recorder *r, pid_t pid, pid_t tid, uint32_t uid, uint64_t start_ns,
		 const char *comm, const char *exe);
/** The same from a kernel event. */
uint32_t who__from_event(struct recorder *r, const struct kevent *ke);
/** Writes its EV_WRITER, once; nothing for id 0. 0 or -errno. */
int who__write(struct recorder *r, uint32_t id);
/** Writes it again for those of whom more is known by now. 0 or -errno. */
int who__complete(struct recorder *r);
/** Forgets all. */
void who__free(struct recorder *r);
/** Its process id; 0 if unknown. */
pid_t who__pid(const struct recorder *r, uint32_t id);
/** Its name (comm), "" if unknown. */
const char *who__comm(const struct recorder *r, uint32_t id);
/** Is this process in the tree? */
bool who__is_insider(struct recorder *r, pid_t pid);

#endif
