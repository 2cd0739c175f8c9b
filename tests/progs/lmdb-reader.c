/* SPDX-License-Identifier: MIT */
/*
 * lmdb-reader.c: a client of LMDB that stays and reads. `lmdb-reader DIR` prints "ready PID", then answers each line, a key,
 * in a read transaction of its own: the value's first bytes and the number of the transaction. libs: -llmdb
 */
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void must(int err, const char *what)
{
	if (!err)
		return;
	printf("error %s: %s\n", what, mdb_strerror(err));
	exit(1);
}

int main(int argc, char **argv)
{
	static char line[256];
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;

	if (argc != 2)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	must(mdb_env_create(&env), "env_create");
	must(mdb_env_set_mapsize(env, 16 << 20), "env_set_mapsize");
	must(mdb_env_open(env, argv[1], MDB_RDONLY, 0644), "env_open");
	must(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn), "txn_begin");
	must(mdb_dbi_open(txn, NULL, 0, &dbi), "dbi_open");
	mdb_txn_reset(txn);
	printf("ready %d\n", getpid());
	while (fgets(line, sizeof(line), stdin)) {
		MDB_val value, key = { .mv_data = line };

		line[strcspn(line, "\n")] = '\0';
		key.mv_size = strlen(line);
		must(mdb_txn_renew(txn), "txn_renew");
		must(mdb_get(txn, dbi, &key, &value), line);
		printf("%.*s %zu\n", 8, (const char *)value.mv_data, mdb_txn_id(txn));
		mdb_txn_reset(txn);
	}
	mdb_env_close(env);
	return 0;
}
