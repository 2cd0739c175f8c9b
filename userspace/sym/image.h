/* SPDX-License-Identifier: MIT */
/* image.h: ELF files as they lie in a process's memory. */
#ifndef BPREC_SYM_IMAGE_H
#define BPREC_SYM_IMAGE_H

#include <elf.h>
#include <libelf.h>
#include <stdbool.h>

#include "sym/source.h"

/** Mappings of a process, copied. */
struct sym_maps {
	struct sym_map *map; /* paths belong to this */
	size_t n, room;	     /* entries, and how many fit */
};

/** Most program headers of a file that is looked at. */
#define IMAGE_PHDRS 64

/** An ELF file that is mapped to be run. */
struct sym_image {
	uint64_t low, high;	      /* addresses it takes */
	uint64_t bias;		      /* address minus p_vaddr */
	const char *path;	      /* of the maps */
	Elf64_Ehdr ehdr;	      /* as found in memory */
	Elf64_Phdr phdr[IMAGE_PHDRS]; /* of these, ehdr.e_phnum */
};

/** Copies the mappings of a process. 0 or -errno. */
int sym_maps__read(struct sym_maps *ret, const struct sym_source *src);
/** Frees them. */
void sym_maps__free(struct sym_maps *maps);
/** The mapping at an address, NULL if there is none. */
const struct sym_map *sym_maps__at(const struct sym_maps *maps, uint64_t addr);
/** Whether code can be run at an address. */
bool sym_maps__is_code(const struct sym_maps *maps, uint64_t addr);

/** Whether an ELF file begins at map i that lies in memory as its program headers say, code included. */
bool sym_image__find(struct sym_image *ret, const struct sym_source *src,
		     const struct sym_maps *maps, size_t i);
/** The file put together again from memory, without section headers; NULL if it can't be. elf_end() frees it, then
 *  free(*ret_bytes). */
Elf *sym_image__from_memory(const struct sym_image *im, const struct sym_source *src,
			    char **ret_bytes);
/** The file at the image's path, if it has the build id of `memory`: a descriptor and *ret_elf. Else -1. */
int sym_image__from_file(const struct sym_image *im, Elf *memory, Elf **ret_elf);
/** Build id in hexadecimal digits, "" if there is none. */
void sym_image__build_id(Elf *elf, char *ret, size_t room);

#endif
