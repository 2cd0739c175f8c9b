/* SPDX-License-Identifier: MIT */
/* verify.h: the kernel verifies the programs of one load in two threads, not one after the other in ours. */
#ifndef BPREC_KERN_VERIFY_H
#define BPREC_KERN_VERIFY_H

struct bpf_prog_load_opts;
struct bpf_program;

/** From here to verify_end programs that libbpf loads in the calling thread are put off, if there is a second processor for them. */
void verify_begin(void);
/** To be called by handlers of libbpf that prepare a program, as the last thing they do: the program is loaded by verify_end, and
 *  now one that does nothing. Without verify_begin, and where it can't be put off, it stays as it is. 0 or -errno. */
int verify_put_off(struct bpf_program *prog, struct bpf_prog_load_opts *opts);
/** Ends what verify_begin began. err: what libbpf's load said, 0 or -errno. If 0, what was put off is loaded, and the programs'
 *  descriptors are those of the real ones from then on (bpf_program__insns tells of what does nothing). Returns what libbpf would
 *  have: err, or the -errno of the first program that the kernel refuses, or 0. No thread is left. */
int verify_end(int err);

#endif
