/* SPDX-License-Identifier: MIT */
/* ring.h: one io_uring of a test program, without a library. */
#ifndef PROGS_RING_H
#define PROGS_RING_H

#include <linux/io_uring.h>

/** Makes the ring, of n entries (a power of 2). Its descriptor, -1: errno says why. */
int ring__open(unsigned int n);
/** The i-th request of the next batch, zeroed. */
struct io_uring_sqe *ring__next(unsigned int i);
/** Submits the first n requests and waits for all. 0: each had this result, else -1: errno says of one that hadn't. */
int ring__run(unsigned int n, int result);

#endif
