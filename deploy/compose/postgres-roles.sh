#!/bin/sh
# Run once in a new primary: the role of the service, that of the standby, and the demand
# that the standby has every commit. `referral migrate` gives the service its rights.
set -eu
secrets=${SECRETS:-/run/secrets}
psql --quiet --no-psqlrc -v ON_ERROR_STOP=1 --username="${POSTGRES_USER:-postgres}" --dbname=postgres \
	-v service="$(cat "$secrets/service-password")" -v replication="$(cat "$secrets/replication-password")" <<'SQL'
CREATE ROLE referral LOGIN PASSWORD :'service';
CREATE ROLE replicator LOGIN REPLICATION PASSWORD :'replication';
ALTER SYSTEM SET synchronous_standby_names = 'FIRST 1 (*)';
SQL
echo 'host replication replicator all scram-sha-256' >> "$PGDATA/pg_hba.conf"
