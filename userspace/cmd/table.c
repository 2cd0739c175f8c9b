/* SPDX-License-Identifier: MIT */
/* table.c: the commands, in the order in which help shows them. */
#include "cmd/cmd.h"

const struct cmd *const commands[] = {
	&cmd_record, &cmd_check, &cmd_replay, &cmd_watch, &cmd_dump,
	&cmd_ps,     &cmd_probe, &cmd_help,   NULL,
};
