#!/bin/sh
# Writes random passwords, and the connection strings that hold them, into the folder
# secrets beside this file. What is there stays.
set -eu
cd "$(dirname "$0")"
mkdir -p secrets
chmod 700 secrets
# The users of the containers read the files where they are mounted; here the folder is closed.
umask 022
write() { [ -s "secrets/$1" ] || printf '%s' "$2" > "secrets/$1"; }
for name in owner service replication grafana; do
	write "$name-password" "$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')"
done
write database-dsn "postgres://referral:$(cat secrets/service-password)@primary:5432,standby:5432/referral?target_session_attrs=read-write&connect_timeout=2"
write database-owner-dsn "postgres://postgres:$(cat secrets/owner-password)@primary:5432,standby:5432/referral?target_session_attrs=read-write&connect_timeout=2"
