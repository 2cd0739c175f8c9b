/* SPDX-License-Identifier: MIT */
/* lower.h: what lies below the devices of mapped files: files of loop devices, parts of a device mapper or of md. */
#ifndef BPREC_RECORD_LOWER_H
#define BPREC_RECORD_LOWER_H

#include "record/recorder.h"

/** Of the inodes of block devices, whose number is the device's (<linux/magic.h> of 6.1 hasn't got it). */
#define BDEVFS_MAGIC 0x62646576

/** Files on this device (the kernel's dev_t: major << 20 | minor), or the device itself, are mapped: enters what sysfs says to
 *  lie below it among what is watched, all the way down. Once per device; what can't be opened is left out (docs/VERDICTS.md). */
void lower__add(struct recorder *r, uint32_t dev);
/** The same for all devices there are, on which nothing need be mapped. */
void lower__add_all(struct recorder *r);
/** Does something that matters lie directly on this (an id as below)? */
typedef bool (*lower_used_fn)(struct recorder *r, uint64_t id, const void *ctx);
/** Is that so of what was entered so (id: a device's number, or the key of a loop device's file), of a device that lies on that, and
 *  so on? True where it isn't known. */
bool lower__is_below(struct recorder *r, uint64_t id, lower_used_fn is_used, const void *ctx);
/** The path of a loop device's file that was entered so, by its object's key and inode number (the device keeps it open, so that no
 *  other gets that key); NULL: it is none. Owned by r. */
const char *lower__file(const struct recorder *r, uint64_t key, uint64_t inode);
/** Frees what is known of them. */
void lower__free(struct recorder *r);

#endif
