/* SPDX-License-Identifier: MIT */
/* cmd.h: the commands. Each file cmd/NAME.c owns its options, its help and its exit codes. */
#ifndef BPREC_CMD_H
#define BPREC_CMD_H

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

/** Exit codes beside those of the recorded command (CLI.md). */
enum {
	EXIT_OK = 0,	      /* success */
	EXIT_NEGATIVE = 1,    /* the answer is no */
	EXIT_TROUBLE = 2,     /* no answer: unreadable trace, usage error */
	EXIT_BPREC = 125,     /* record, watch, replay: bprec itself failed */
	EXIT_CANT_EXEC = 126, /* record, watch: the command can't be executed */
	EXIT_NOT_FOUND = 127  /* record, watch: the command was not found */
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
	const char *name; /* the word after bprec */
	/** Synopsis after the options, e.g. "[TRACE]". If it begins with "-- " ("-- COMMAND [ARG...]"), options end at the
	 *  first operand, which belongs to another command; else options may follow operands. */
	const char *args;
	const char *summary;		  /* one line */
	const struct cmd_option *options; /* its own; --help is added to every command */
	/** Runs it; argv[0] is the command's name. Returns the exit code. */
	int (*run)(int argc, char **argv);
	int usage_exit; /* exit code for usage errors: 2, or 125 for record, watch and replay */
};

/** The command table, ends with NULL (cmd/table.c). */
extern const struct cmd *const commands[];

/** The commands, each in cmd/NAME.c. */
extern const struct cmd cmd_record, cmd_watch, cmd_replay, cmd_check, cmd_probe, cmd_dump, cmd_ps,
	cmd_help;

/** --help, which every command has beside its own options. */
extern const struct cmd_option cmd_help_option;

/** The state of parsing options. Start with { .argc = argc, .argv = argv, .at = 1 }. */
struct cmd_parse {
	int argc;	   /* number of words in argv */
	char **argv;	   /* words; options are moved in front of the operands */
	int at;		   /* next word; operands start here when cmd__next has returned 0 */
	const char *value; /* value of the option returned last, NULL: none */
	const char *rest;  /* private: letters of a word that are still to be treated */
	int skipped;	   /* private: operands passed over, just before `at` */
};
/** Returns the option found next (its row), NULL at the first operand or after "--" (see struct cmd, args). Usage errors:
 *  prints one line that names the wrong word and the way to help, and sets *ret_err to c->usage_exit; else sets it to 0.
 *  --help is treated by main. */
const struct cmd_option *cmd__next(const struct cmd *c, struct cmd_parse *p, int *ret_err);
/** True if the options of this call of c (argv[0] is its name) contain --help or -h. argv is not changed. */
bool cmd__wants_help(const struct cmd *c, int argc, char *const *argv);
/** Prints a usage error (printf format) and returns c->usage_exit. */
int cmd__usage_error(const struct cmd *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/** Prints the help of a command to stdout. */
void cmd__help(const struct cmd *c);
/** Prints what bprec is and its commands. */
void cmd__overview(FILE *to);
/** The command of that name, NULL if there is none. */
const struct cmd *cmd__find(const char *name);
/** Prints one line about a command that doesn't exist, with the nearest one that does. Returns EXIT_TROUBLE. */
int cmd__unknown(const char *name);

/** Finds the trace a command reads: the operand, or `latest` (CLI.md). buf gets its path. 0, or -errno with err__set. */
int cmd__trace_path(const char *operand, char *buf, unsigned long size);

/** The user whose home is looked at and who gets the traces: the one who called sudo, else the one bprec runs as. */
struct cmd_user {
	uid_t uid;	     /* user id */
	gid_t gid;	     /* primary group */
	char home[PATH_MAX]; /* home directory, "" if unknown */
};
/** Finds that user. 0, or -errno with err__set. */
int cmd__calling_user(struct cmd_user *ret_user);
/** Makes an empty directory for a new trace (mode 0700, of the calling user): `output` if it is not NULL (it may exist if it is
 *  empty), else NAME-N after the command's file name in the user's trace directory, with the link `latest` to it.
 *  buf gets its path. 0, or -errno with err__set. */
int cmd__new_trace(const char *output, const char *command, char *buf, unsigned long size);
/** Gives the files of a trace to the calling user (nothing to do unless root runs for another). 0 or -errno with err__set. */
int cmd__give_trace(const char *dir);

#endif
