/* SPDX-License-Identifier: MIT */
/* real_ipc.h: cases that are carried out: System V IPC, queues, futexes, keys. */
#ifndef BPREC_TESTS_SYS_REAL_IPC_H
#define BPREC_TESTS_SYS_REAL_IPC_H

#include "harness.h"

#include <linux/futex.h>
#include <linux/keyctl.h>
#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

/* One shmctl, msgctl or semctl of a fresh object: n bytes. By index (STAT) the object is found by what INFO returns. */
static void shm_case(struct t *t, int cmd, size_t n)
{
	int id = shmget(IPC_PRIVATE, 4096, 0600);

	t->varies = true;
	assert_true(id >= 0);
	if (cmd == SHM_STAT || cmd == SHM_STAT_ANY)
		DO(SYS_shmctl, id & 0x7fff, cmd, out(t, n));
	else
		DO(SYS_shmctl, id, cmd, out(t, n));
	shmctl(id, IPC_RMID, NULL);
	if (went_well(t))
		expect(t, U(t->buf[0].p), n);
}

static void msg_case(struct t *t, int cmd, size_t n)
{
	int id = msgget(IPC_PRIVATE, 0600);

	t->varies = true;
	assert_true(id >= 0);
	if (cmd == MSG_STAT || cmd == MSG_STAT_ANY)
		DO(SYS_msgctl, id & 0x7fff, cmd, out(t, n));
	else
		DO(SYS_msgctl, id, cmd, out(t, n));
	msgctl(id, IPC_RMID, NULL);
	if (went_well(t))
		expect(t, U(t->buf[0].p), n);
}

static void sem_case(struct t *t, int cmd, size_t n)
{
	int id = semget(IPC_PRIVATE, 5, 0600);

	t->varies = true;
	assert_true(id >= 0);
	if (cmd == SEM_STAT || cmd == SEM_STAT_ANY)
		DO(SYS_semctl, id & 0x7fff, 0, cmd, out(t, n));
	else
		DO(SYS_semctl, id, 0, cmd, out(t, n));
	semctl(id, 0, IPC_RMID);
	if (went_well(t))
		expect(t, U(t->buf[0].p), n);
}

#define IPC_CASE(kind, cmd, n)                       \
	static void real_##kind##_##cmd(struct t *t) \
	{                                            \
		kind##_case(t, cmd, n);              \
	}

IPC_CASE(shm, IPC_STAT, sizeof(struct shmid_ds))
IPC_CASE(shm, IPC_INFO, sizeof(struct shminfo))
IPC_CASE(shm, SHM_STAT, sizeof(struct shmid_ds))
IPC_CASE(shm, SHM_INFO, sizeof(struct shm_info))
IPC_CASE(shm, SHM_STAT_ANY, sizeof(struct shmid_ds))
IPC_CASE(msg, IPC_STAT, sizeof(struct msqid_ds))
IPC_CASE(msg, IPC_INFO, sizeof(struct msginfo))
IPC_CASE(msg, MSG_STAT, sizeof(struct msqid_ds))
IPC_CASE(msg, MSG_INFO, sizeof(struct msginfo))
IPC_CASE(msg, MSG_STAT_ANY, sizeof(struct msqid_ds))
IPC_CASE(sem, IPC_STAT, sizeof(struct semid_ds))
IPC_CASE(sem, IPC_INFO, sizeof(struct seminfo))
IPC_CASE(sem, SEM_STAT, sizeof(struct semid_ds))
IPC_CASE(sem, SEM_INFO, sizeof(struct seminfo))
IPC_CASE(sem, SEM_STAT_ANY, sizeof(struct semid_ds))

/* The table doesn't know how many there are: all that can be read. */
static void real_sem_getall(struct t *t)
{
	int id = semget(IPC_PRIVATE, 5, 0600);

	assert_true(id >= 0);
	t->no_plan = true; /* the whole of what there might be can't be copied */
	t->how = t->how == SCRATCH ? DIRECT : t->how;
	DO(SYS_semctl, id, 0, GETALL, out(t, 10));
	semctl(id, 0, IPC_RMID);
	went_well(t);
}

static void real_msgrcv(struct t *t)
{
	struct {
		long type;
		char text[8];
	} m = { 7, "message" };
	int id = msgget(IPC_PRIVATE, 0600);

	assert_int_equal(msgsnd(id, &m, 8, 0), 0);
	DO(SYS_msgrcv, id, out(t, 8 + 20), 20, 0, 0);
	msgctl(id, IPC_RMID, NULL);
	if (went_well(t))
		expect(t, U(t->buf[0].p), 16);
}

static mqd_t queue_of(struct t *t, const char *text)
{
	struct mq_attr a = { .mq_maxmsg = 4, .mq_msgsize = 64 };
	char name[64];
	mqd_t q;

	snprintf(name, sizeof(name), "/sys-test-%d", getpid());
	q = mq_open(name, O_CREAT | O_RDWR | O_EXCL, 0600, &a);
	if (q == (mqd_t)-1) {
		leave_out(t, "no POSIX message queues");
		return q;
	}
	mq_unlink(name);
	fd_of(t, q);
	assert_int_equal(mq_send(q, text, strlen(text), 3), 0);
	return q;
}

static void real_mq_timedreceive(struct t *t)
{
	struct timespec ts = { 1ll << 33, 0 };
	mqd_t q = queue_of(t, "ten bytes.");

	if (t->absent)
		return;
	DO(SYS_mq_timedreceive, q, out(t, 100), 100, out(t, 4), in(t, &ts, sizeof(ts)));
	assert_int_equal(t->ret, 10);
	expect(t, U(t->buf[0].p), 10);
	expect(t, U(t->buf[1].p), 4);
}

static void real_mq_getsetattr(struct t *t)
{
	struct mq_attr a = { 0 };
	mqd_t q = queue_of(t, "x");

	if (t->absent)
		return;
	DO(SYS_mq_getsetattr, q, in(t, &a, sizeof(a)), out(t, sizeof(a)));
	went_well(t);
}

static uint64_t word_of(struct t *t, uint32_t v)
{
	return in(t, &v, sizeof(v));
}

static void real_futex_wake_op(struct t *t)
{
	t->no_plan = true;
	DO(SYS_futex, word_of(t, 1), FUTEX_WAKE_OP, 1, 1, word_of(t, 5),
	   FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 5));
	went_well(t);
	assert_int_equal(t->buf[1].p[0], 8);
}

static void real_futex_lock_pi(struct t *t)
{
	t->no_plan = true;
	DO(SYS_futex, word_of(t, 0), FUTEX_LOCK_PI, 0, 0);
	went_well(t);
}

static void real_futex_lock_pi2(struct t *t)
{
	t->no_plan = true;
	DO(SYS_futex, word_of(t, 0), 13 /* FUTEX_LOCK_PI2, 5.14 */, 0, 0);
	went_well(t);
}

static void real_futex_trylock_pi(struct t *t)
{
	t->no_plan = true;
	DO(SYS_futex, word_of(t, 0), FUTEX_TRYLOCK_PI, 0, 0);
	went_well(t);
}

static void real_futex_unlock_pi(struct t *t)
{
	t->no_plan = true;
	DO(SYS_futex, word_of(t, (uint32_t)gettid()), FUTEX_UNLOCK_PI, 0, 0);
	went_well(t);
	assert_int_equal(t->buf[0].p[0], 0);
}

static void real_get_robust_list(struct t *t)
{
	DO(SYS_get_robust_list, 0, out(t, 8), out(t, 8));
	went_well(t);
}

/* A key in the process's own keyring. */
static long key_of(struct t *t)
{
	long key =
		syscall(SYS_add_key, "user", "bprec-test", "payload", 7, KEY_SPEC_PROCESS_KEYRING);

	if (key < 0)
		leave_out(t, "no keys");
	t->varies = true;
	return key;
}

#define KEY_CASE(cmd, ...)                                \
	static void real_##cmd(struct t *t)               \
	{                                                 \
		long key = key_of(t);                     \
		if (key >= 0) {                           \
			DO(SYS_keyctl, cmd, __VA_ARGS__); \
			went_well(t);                     \
		}                                         \
	}

KEY_CASE(KEYCTL_DESCRIBE, (uint64_t)key, out(t, 100), 100)
KEY_CASE(KEYCTL_READ, (uint64_t)key, out(t, 100), 100)
KEY_CASE(KEYCTL_GET_SECURITY, (uint64_t)key, out(t, 100), 100)
KEY_CASE(KEYCTL_CAPABILITIES, out(t, 20), 20 + 0 * (uint64_t)key)

/* Too short a buffer is left alone, or filled as far as it goes. */
static void real_key_read_short(struct t *t)
{
	long key = key_of(t);

	if (key < 0)
		return;
	DO(SYS_keyctl, KEYCTL_READ, (uint64_t)key, out(t, 3), 3);
	assert_int_equal(t->ret, 7);
}

static const struct sys_test real_ipc[] = {
	{ "shmctl:IPC_STAT", real_shm_IPC_STAT, NULL },
	{ "shmctl:IPC_INFO", real_shm_IPC_INFO, NULL },
	{ "shmctl:SHM_STAT", real_shm_SHM_STAT, NULL },
	{ "shmctl:SHM_INFO", real_shm_SHM_INFO, NULL },
	{ "shmctl:SHM_STAT_ANY", real_shm_SHM_STAT_ANY, NULL },
	{ "msgctl:IPC_STAT", real_msg_IPC_STAT, NULL },
	{ "msgctl:IPC_INFO", real_msg_IPC_INFO, NULL },
	{ "msgctl:MSG_STAT", real_msg_MSG_STAT, NULL },
	{ "msgctl:MSG_INFO", real_msg_MSG_INFO, NULL },
	{ "msgctl:MSG_STAT_ANY", real_msg_MSG_STAT_ANY, NULL },
	{ "semctl:IPC_STAT", real_sem_IPC_STAT, NULL },
	{ "semctl:IPC_INFO", real_sem_IPC_INFO, NULL },
	{ "semctl:SEM_STAT", real_sem_SEM_STAT, NULL },
	{ "semctl:SEM_INFO", real_sem_SEM_INFO, NULL },
	{ "semctl:SEM_STAT_ANY", real_sem_SEM_STAT_ANY, NULL },
	{ "semctl:GETALL", real_sem_getall, NULL },
	{ "msgrcv", real_msgrcv, NULL },
	{ "mq_timedreceive", real_mq_timedreceive, NULL },
	{ "mq_getsetattr", real_mq_getsetattr, NULL },
	{ "futex:FUTEX_WAKE_OP", real_futex_wake_op, NULL },
	{ "futex:FUTEX_LOCK_PI", real_futex_lock_pi, NULL },
	{ "futex:FUTEX_LOCK_PI2", real_futex_lock_pi2, NULL },
	{ "futex:FUTEX_TRYLOCK_PI", real_futex_trylock_pi, NULL },
	{ "futex:FUTEX_UNLOCK_PI", real_futex_unlock_pi, NULL },
	{ "get_robust_list", real_get_robust_list, NULL },
	{ "keyctl:KEYCTL_DESCRIBE", real_KEYCTL_DESCRIBE, NULL },
	{ "keyctl:KEYCTL_READ", real_KEYCTL_READ, NULL },
	{ "keyctl:KEYCTL_READ", real_key_read_short, NULL },
	{ "keyctl:KEYCTL_GET_SECURITY", real_KEYCTL_GET_SECURITY, NULL },
	{ "keyctl:KEYCTL_CAPABILITIES", real_KEYCTL_CAPABILITIES, NULL },
	{ NULL, NULL, NULL },
};

#endif
