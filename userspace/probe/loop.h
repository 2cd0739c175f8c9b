/* SPDX-License-Identifier: MIT */
/* loop.h: block devices made of files. */
#ifndef BPREC_PROBE_LOOP_H
#define BPREC_PROBE_LOOP_H

/** Longest path of a loop device, NUL included. */
#define LOOP_PATH_MAX 24

/** Attaches a file, open for reading and writing, to a free loop device, of which ret_path gets the path. The device goes
 *  with its last user: the descriptor returned, or a mount. Descriptor or -errno. */
int loop__attach(int file, char ret_path[LOOP_PATH_MAX]);

#endif
