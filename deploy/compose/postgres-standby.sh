#!/bin/sh
# Copies the primary that PGHOST names, once, and follows it.
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
	PGPASSWORD=$(cat "${SECRETS:-/run/secrets}/replication-password") \
		pg_basebackup --pgdata="$PGDATA" --write-recovery-conf --checkpoint=fast
	chmod 700 "$PGDATA"
fi
exec postgres -D "$PGDATA" "$@"
