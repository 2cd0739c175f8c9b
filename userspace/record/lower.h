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
/** The path of a loop device's file that was entered so, by its object's key (the device keeps it open, so that no other gets that
 *  key); NULL: it is none. Owned by r. */
const char *lower__file(const struct recorder *r, uint64_t key);
/** Frees what is known of them. */
void lower__free(struct recorder *r);

#endif
