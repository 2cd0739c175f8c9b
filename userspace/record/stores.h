/* SPDX-License-Identifier: MIT */
/* stores.h: calls by which insiders change objects that insiders map: memory events, ordered with the group (DESIGN 12,
 * rule 5). */
#ifndef BPREC_RECORD_STORES_H
#define BPREC_RECORD_STORES_H

#include "record/recorder.h"

/** At the entry of a call: inode number of the mapped file that it may cut by its path; 0: none. */
uint64_t stores__cut(struct recorder *r, const struct task *t);
/** At the entry of a call in a group of several: may it change a file that somebody maps, without waiting for another thread?
 *  Then it keeps the token until it is over. */
bool stores__holds(struct recorder *r, const struct task *t);
/** At the entry of a call that may cut a file by its path (t->cut): whoever maps the file joins the caller's group before. 0 or -errno. */
int stores__before_cut(struct recorder *r, struct task *t);
/** At the entry of mmap or shmat: whoever maps the same object and may write it, or sees it written, joins the caller's group
 *  before the mapping exists. 0 or -errno. */
int stores__before_map(struct recorder *r, struct task *t);
/** KEV_BEGIN or KEV_END of an insider. 0 or -errno. */
int stores__event(struct recorder *r, const struct kevent *ke);
/** The call is written down: what it did to objects is, now. 0 or -errno. */
int stores__written(struct recorder *r, struct task *t, int64_t ret);
/** The same for a thread that ends in the middle of a call. */
int stores__gone(struct recorder *r, struct task *t);
/** Frees what is kept for a thread. */
void stores__drop(struct task *t);

#endif
