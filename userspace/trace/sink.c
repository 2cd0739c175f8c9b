/* SPDX-License-Identifier: MIT */
/*
 * sink.c: appends frames to a file so that the file always ends with a whole frame, or with the beginning of one if
 * the recorder is killed in the middle of a write.
 *
 * A write beyond RLIMIT_FSIZE sends SIGXFSZ to the writing thread (generic_write_check_limits, Linux 6.1), which would
 * kill the recorder; it is blocked around the write and taken back, so that the write fails with EFBIG alone.
 */
#include "trace/sink.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "trace/frame.h"
#include "trace/hash.h"
#include "util/err.h"

/* Drops len bytes from the front of the vectors. */
static void advance(struct iovec *iov, int n, size_t len)
{
	for (int i = 0; i < n; i++) {
		const size_t part = len < iov[i].iov_len ? len : iov[i].iov_len;

		iov[i].iov_base = (char *)iov[i].iov_base + part;
		iov[i].iov_len -= part;
		len -= part;
	}
}

static int write_all(int fd, struct iovec *iov, int n, uint64_t len, uint64_t off)
{
	while (len > 0) {
		const ssize_t done = pwritev(fd, iov, n, (off_t)off);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		if (done == 0)
			return -EIO;
		advance(iov, n, (size_t)done);
		off += (uint64_t)done;
		len -= (uint64_t)done;
	}
	return 0;
}

/* write_all with SIGXFSZ held off. */
static int write_guarded(int fd, struct iovec *iov, int n, uint64_t len, uint64_t off)
{
	const struct timespec now = { 0 };
	sigset_t fsz, before;
	int err;

	sigemptyset(&fsz);
	sigaddset(&fsz, SIGXFSZ);
	pthread_sigmask(SIG_BLOCK, &fsz, &before);
	err = write_all(fd, iov, n, len, off);
	if (!sigismember(&before, SIGXFSZ)) {
		if (err == -EFBIG)
			sigtimedwait(&fsz, NULL, &now);
		pthread_sigmask(SIG_SETMASK, &before, NULL);
	}
	return err;
}

/* Appends; on failure the file is cut back to what was whole. */
static int append(struct sink *s, struct iovec *iov, int n, uint64_t len)
{
	const int err = write_guarded(s->fd, iov, n, len, s->off);

	if (err < 0) {
		/* if that fails too, the reader finds a torn frame at the end and leaves it out */
		const int cut = ftruncate(s->fd, (off_t)s->off);

		(void)cut;
		return err__set(err, "can't write to the file %s of the trace: %s",
				trace_file_name(s->file), strerror(-err));
	}
	__atomic_store_n(&s->off, s->off + len, __ATOMIC_RELAXED);
	return 0;
}

int sink__open(struct sink *s, int fd, enum trace_file file, const uint8_t trace_id[16])
{
	struct file_header h;
	struct iovec iov = { &h, sizeof(h) };

	memset(s, 0, sizeof(*s));
	s->fd = fd;
	s->file = file;
	s->chain = XXH3_createState();
	if (!s->chain)
		return err__set(-ENOMEM, "no memory for the trace");
	XXH3_64bits_reset(s->chain);
	file_header__init(&h, file, trace_id);
	return append(s, &iov, 1, sizeof(h));
}

int sink__frame(struct sink *s, struct frame_header *h, const void *payload)
{
	struct iovec iov[2] = { { h, sizeof(*h) }, { (void *)payload, h->stored_len } };
	int err;

	h->seq = s->seq;
	h->payload_hash = hash64(payload, h->stored_len);
	frame_header__seal(h);
	err = append(s, iov, 2, sizeof(*h) + h->stored_len);
	if (err < 0)
		return err;
	s->seq++;
	s->items += h->count;
	XXH3_64bits_update(s->chain, &h->header_hash, sizeof(h->header_hash));
	return 0;
}

uint64_t sink__chain(const struct sink *s)
{
	return XXH3_64bits_digest(s->chain);
}

void sink__close(struct sink *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	XXH3_freeState(s->chain);
	s->chain = NULL;
}
