/* SPDX-License-Identifier: MIT */
/* error.h: what can be wrong with a trace, as numbers (docs/FORMAT.md, section 10). */
#ifndef BPREC_TRACE_ERROR_H
#define BPREC_TRACE_ERROR_H

/** What is wrong with a trace. Negative values of these are returned, beside -errno of system calls (all below 4096). */
enum trace_error {
	TRACE_E_NOT_A_TRACE = 5000, /* no such files, or their magic is another */
	TRACE_E_VERSION,	    /* format version unknown */
	TRACE_E_DAMAGED,	    /* a checksum, length or number is wrong */
	TRACE_E_FOREIGN,	    /* a file belongs to another trace */
	TRACE_E_MANIFEST,	    /* the manifest doesn't fit the files */
	TRACE_E_EVENT,		    /* an event contradicts itself or an earlier one */
	TRACE_E_REFERENCE, /* an event refers to a page, object or event that isn't there */
};

#endif
