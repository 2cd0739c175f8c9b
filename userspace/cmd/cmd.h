/* SPDX-License-Identifier: MIT */
/* cmd.h: the commands. Each file cmd/NAME.c owns its options, its help and its exit codes. */
#ifndef BPREC_CMD_H
#define BPREC_CMD_H

/** Exit codes beside those of the recorded command (CLI.md). */
enum {
	EXIT_OK = 0,
	EXIT_NEGATIVE = 1,
	EXIT_TROUBLE = 2,
	EXIT_BPREC = 125,
	EXIT_CANT_EXEC = 126,
	EXIT_NOT_FOUND = 127
};

/** One option of a command; ends with a row whose name is NULL. The one place where help, man page and completion look. */
struct cmd_option {
	const char *name; /* long name without dashes */
	char letter;	  /* short name, 0: none */
	const char *arg;  /* name of its value, NULL: takes none */
	const char *help; /* one line */
};

/** One command. */
struct cmd {
	const char *name;
	const char *args;    /* synopsis after the options, e.g. "[TRACE]" */
	const char *summary; /* one line */
	const struct cmd_option *options;
	/** Runs it; argv[0] is the command's name. Returns the exit code. */
	int (*run)(int argc, char **argv);
	int usage_exit; /* exit code for usage errors: 2, or 125 for record and replay */
};

/** The command table, ends with a row whose name is NULL (cmd/table.c). */
extern const struct cmd commands[];

/** One parsed option or operand. */
struct cmd_parse {
	int argc;
	char **argv;
	int at;		   /* next word; operands start here when cmd__next has returned 0 */
	const char *value; /* value of the option returned last, NULL: none */
	const char *rest;  /* private */
};
/** Returns the option found next (its row), NULL at the first operand or after "--". Usage errors: prints one line that
 *  names the wrong word and the way to help, and sets *ret_err to c->usage_exit. --help is treated by main. */
const struct cmd_option *cmd__next(const struct cmd *c, struct cmd_parse *p, int *ret_err);
/** Prints a usage error (printf format) and returns c->usage_exit. */
int cmd__usage_error(const struct cmd *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/** Prints the help of a command to stdout. */
void cmd__help(const struct cmd *c);

extern const struct cmd cmd_record, cmd_check, cmd_probe, cmd_dump, cmd_ps, cmd_help;

/** Finds the trace a command reads: the operand, or `latest` (CLI.md). buf gets its path. 0, or -errno with err__set. */
int cmd__trace_path(const char *operand, char *buf, unsigned long size);

#endif
