# SPDX-License-Identifier: GPL-2.0
# A database with a write-ahead log, which several processes write to and read at once.
sqlite3 data.db 'PRAGMA journal_mode=WAL; CREATE TABLE t(id INTEGER PRIMARY KEY, who, text);' |
	grep -qx wal
writer() {
	for number in $(seq 50); do
		echo "INSERT INTO t(who, text) VALUES($1, hex(randomblob(500)));"
	done | sqlite3 -cmd '.timeout 60000' data.db
}
writers=
for who in 1 2 3 4; do
	writer "$who" &
	writers="$writers $!"
done
# The log is shared memory: readers see whole transactions.
for round in $(seq 5); do
	sqlite3 -cmd '.timeout 60000' data.db 'PRAGMA integrity_check;' | grep -qx ok
done
for pid in $writers; do
	wait "$pid"
done
sqlite3 data.db 'PRAGMA wal_checkpoint(TRUNCATE);' >/dev/null
test "$(sqlite3 data.db 'SELECT count(*), count(DISTINCT who) FROM t;')" = '200|4'
sqlite3 data.db 'PRAGMA integrity_check;' | grep -qx ok
sqlite3 data.db 'DELETE FROM t WHERE who = 1; VACUUM;'
test "$(sqlite3 data.db 'SELECT count(*) FROM t;')" = 150
sqlite3 data.db .dump | sqlite3 copy.db
test "$(sqlite3 copy.db 'SELECT count(*) FROM t;')" = 150
