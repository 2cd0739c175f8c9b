/* SPDX-License-Identifier: MIT */
/* image.h: a look at what is to be executed, before anything is started. */
#ifndef BPREC_RECORD_IMAGE_H
#define BPREC_RECORD_IMAGE_H

/** Looks a command up as execvp(3) does (PATH, unless it has a slash) and at the head of the file. 0; -ENOENT: not found;
 *  -EACCES and others: it can't be executed; -ENOEXEC: an ELF file that isn't for x86-64. err__text() says which. */
int image__check(const char *command);
/** The same without a look at what kind of program it is. */
int image__find(const char *command);

#endif
