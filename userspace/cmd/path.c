/* SPDX-License-Identifier: MIT */
/*
 * path.c: where traces are: the one a command reads, and the place for a new one (CLI.md, "Trace directories").
 *
 * Under sudo the home and the owner of what is made are those of the user who called sudo (SUDO_UID, SUDO_GID: sudo(8)).
 * Directories in a user's home are made with that user's effective id, so that no link put there can lead root
 * elsewhere; only where BPREC_TRACE_DIR names a place in which the user may not write does root make them, and gives
 * away what it made itself.
 */
#include "cmd/cmd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/err.h"

/** Tries of a free number, if others make traces at the same time. */
#define NUMBER_TRIES 1000

/** Reads an id from the environment. */
static bool get_id(const char *name, unsigned int *ret)
{
	const char *text = getenv(name);
	char *end;

	if (!text || *text < '0' || *text > '9')
		return false;
	errno = 0;
	unsigned long value = strtoul(text, &end, 10);

	if (errno || *end || value >= (unsigned int)-1)
		return false;
	*ret = value;
	return true;
}

int cmd__calling_user(struct cmd_user *ret_user)
{
	unsigned int uid, gid;
	bool sudo = !geteuid() && get_id("SUDO_UID", &uid) && get_id("SUDO_GID", &gid);
	const char *home = sudo ? NULL : getenv("HOME");
	struct cmd_user u = { sudo ? uid : geteuid(), sudo ? gid : getegid(), "" };

	/* After --user, HOME may still be that of the user before. */
	if (home && *home && faccessat(AT_FDCWD, home, W_OK, AT_EACCESS) && errno == EACCES)
		home = NULL;
	if (!home || !*home) {
		const struct passwd *pw = getpwuid(u.uid);

		home = pw ? pw->pw_dir : "";
	}
	if (strlen(home) >= sizeof(u.home))
		return err__set(-ENAMETOOLONG, "the path of the home directory is too long");
	strcpy(u.home, home);
	*ret_user = u;
	return 0;
}

/** The directory that holds the user's traces. */
static int base_dir(const struct cmd_user *user, char *buf, size_t size)
{
	const char *dir = getenv("BPREC_TRACE_DIR"), *data = getenv("XDG_DATA_HOME");
	int len;

	if (dir && *dir)
		len = snprintf(buf, size, "%s", dir);
	else if (data &&
		 *data == '/') /* relative ones are invalid: XDG Base Directory Specification */
		len = snprintf(buf, size, "%s/bprec", data);
	else if (*user->home)
		len = snprintf(buf, size, "%s/.local/share/bprec", user->home);
	else
		return err__set(-ENOENT,
				"no home directory to keep traces in: set BPREC_TRACE_DIR");
	if ((size_t)len >= size)
		return err__set(-ENAMETOOLONG, "the path of the trace directory is too long");
	return 0;
}

int cmd__trace_path(const char *operand, char *buf, unsigned long size)
{
	char base[PATH_MAX], target[NAME_MAX + 1];
	struct cmd_user user;

	if (operand) {
		if (snprintf(buf, size, "%s", operand) < (int)size)
			return 0;
		return err__set(-ENAMETOOLONG, "the path of the trace is too long");
	}
	int err = cmd__calling_user(&user);

	if (!err)
		err = base_dir(&user, base, sizeof(base));
	if (err)
		return err;
	if (snprintf(buf, size, "%s/latest", base) >= (int)size)
		return err__set(-ENAMETOOLONG, "the path of the trace is too long");
	ssize_t len = readlink(buf, target, sizeof(target) - 1);

	if (len < 0) {
		err = -errno;
		return err__set(err, "no trace is named, and there is no link %s: %s", buf,
				strerror(-err));
	}
	target[len] = '\0';
	if (strchr(target, '/')) /* not as we make it: leave it to open(2) */
		return 0;
	if (snprintf(buf, size, "%s/%s", base, target) >= (int)size)
		return err__set(-ENAMETOOLONG, "the path of the trace is too long");
	return 0;
}

/** True if root makes something for another user. */
static bool gives_away(const struct cmd_user *user)
{
	return !geteuid() && user->uid != 0;
}

/** Makes one directory, and gives it to the user if root had to make it. 0 or -errno (-EEXIST too). */
static int make_one(const char *path, mode_t mode, const struct cmd_user *user)
{
	if (mkdir(path, mode))
		return -errno;
	if (!gives_away(user))
		return 0;
	/* Root made it a moment ago; whatever is there now, a link is not followed. */
	return lchown(path, user->uid, user->gid) ? -errno : 0;
}

/** Makes a directory and those above it. 0 or -errno. */
static int make_all(const char *path, const struct cmd_user *user)
{
	char part[PATH_MAX];
	int err = 0;

	for (size_t i = 1; path[i - 1]; i++) {
		if (path[i] && path[i] != '/')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		err = make_one(part, path[i] ? 0755 : 0700, user);
		if (err == -EEXIST || err == -EROFS) /* mkdir(2): either, if it exists */
			err = access(part, F_OK) ? err : 0;
		if (err)
			return err;
	}
	return err;
}

/** The next number for NAME-N: one more than the greatest there is. */
static unsigned long next_number(const char *base, const char *name)
{
	size_t len = strlen(name);
	unsigned long next = 1;
	DIR *dir = opendir(base);
	const struct dirent *d;

	while (dir && (d = readdir(dir))) {
		if (strncmp(d->d_name, name, len) || d->d_name[len] != '-')
			continue;
		const char *digits = d->d_name + len + 1;
		unsigned long n = strtoul(digits, NULL, 10);

		if (digits[strspn(digits, "0123456789")] == '\0' && n >= next && n + 1)
			next = n + 1;
	}
	if (dir)
		closedir(dir);
	return next;
}

/** Points the link `latest` at the new trace; another process sees the old one or the new one. */
static int set_latest(const char *base, const char *trace, const struct cmd_user *user)
{
	char link[PATH_MAX], temporary[PATH_MAX];

	if (snprintf(link, sizeof(link), "%s/latest", base) >= (int)sizeof(link) ||
	    snprintf(temporary, sizeof(temporary), "%s/.latest-%d", base, getpid()) >=
		    (int)sizeof(temporary))
		return -ENAMETOOLONG;
	unlink(temporary);
	if (symlink(trace, temporary))
		return -errno;
	if (gives_away(user) && lchown(temporary, user->uid, user->gid))
		return -errno;
	return rename(temporary, link) ? -errno : 0;
}

/** The command's file name, as it may stand in a path of ours. */
static void trace_name(const char *command, char *buf, size_t size)
{
	const char *slash = strrchr(command, '/');

	snprintf(buf, size, "%s", slash ? slash + 1 : command);
	for (char *c = buf; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 127 || (c == buf && *c == '.'))
			*c = '_';
	if (!*buf)
		snprintf(buf, size, "trace");
}

/** Makes base/NAME-N and `latest`. */
static int make_numbered(const char *base, const char *command, const struct cmd_user *user,
			 char *buf, size_t size)
{
	char name[128], trace[160];
	int err = make_all(base, user);

	trace_name(command, name, sizeof(name));
	for (int i = 0; !err && i < NUMBER_TRIES; i++) {
		snprintf(trace, sizeof(trace), "%s-%lu", name, next_number(base, name));
		if (snprintf(buf, size, "%s/%s", base, trace) >= (int)size)
			return -ENAMETOOLONG;
		err = make_one(buf, 0700, user);
		if (!err)
			return set_latest(base, trace, user);
		if (err == -EEXIST)
			err = 0; /* another recording took the number */
	}
	return err ? err : -EEXIST;
}

/** Calls make_numbered as the user; in a place named by BPREC_TRACE_DIR where the user may not write, as root. */
static int make_default(const struct cmd_user *user, const char *command, char *buf, size_t size)
{
	char base[PATH_MAX];
	gid_t gid = getegid();
	int err = base_dir(user, base, sizeof(base));

	if (err)
		return err;
	if (gives_away(user)) {
		err = setegid(user->gid) || seteuid(user->uid) ? -errno : 0;
		if (!err)
			err = make_numbered(base, command, user, buf, size);
		if (seteuid(0) || setegid(gid))
			return err__set(-errno, "can't become root again: %m");
	}
	if (!gives_away(user) || (getenv("BPREC_TRACE_DIR") && (err == -EACCES || err == -EPERM)))
		err = make_numbered(base, command, user, buf, size);
	if (err)
		return err__set(err, "can't make a trace in %s: %s", base, strerror(-err));
	return 0;
}

/** True if a directory can be read and has no entries. */
static bool is_empty(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *d;
	int entries = 0;

	while (dir && (d = readdir(dir)))
		entries += strcmp(d->d_name, ".") && strcmp(d->d_name, "..");
	if (dir)
		closedir(dir);
	return dir && !entries;
}

/** The directory given by -o. */
static int make_output(const struct cmd_user *user, const char *output, char *buf, size_t size)
{
	if (snprintf(buf, size, "%s", output) >= (int)size)
		return err__set(-ENAMETOOLONG, "the path of the trace is too long");
	int err = make_one(output, 0700, user);

	if (err == -EEXIST && is_empty(output))
		return 0;
	if (err == -EEXIST)
		return err__set(-ENOTEMPTY, "%s exists and is not an empty directory", output);
	if (err)
		return err__set(err, "can't make the directory %s: %s", output, strerror(-err));
	return 0;
}

int cmd__new_trace(const char *output, const char *command, char *buf, unsigned long size)
{
	struct cmd_user user;
	int err = cmd__calling_user(&user);

	if (err)
		return err;
	if (output)
		return make_output(&user, output, buf, size);
	return make_default(&user, command, buf, size);
}

int cmd__give_trace(const char *dir)
{
	struct cmd_user user;
	const struct dirent *d;
	int err = cmd__calling_user(&user);

	if (err || !gives_away(&user))
		return err;
	DIR *files = opendir(dir);

	if (!files)
		return err__set(-errno, "can't open %s: %m", dir);
	while ((d = readdir(files)) && !err)
		if (strcmp(d->d_name, ".") && strcmp(d->d_name, ".."))
			err = fchownat(dirfd(files), d->d_name, user.uid, user.gid,
				       AT_SYMLINK_NOFOLLOW);
	if (!err)
		err = fchown(dirfd(files), user.uid, user.gid);
	if (err)
		err = err__set(-errno, "can't give %s to user %u: %m", dir, user.uid);
	closedir(files);
	return err;
}
