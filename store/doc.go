// Package store keeps the programme in PostgreSQL. It is the only place that knows GORM
// and SQL, and it knows no rule: each exported method is one transaction, and where a
// rule is needed inside it, the caller hands it in as a pure function.
//
// There are three ways to query, all on the one connection of a transaction:
//
//   - GORM, through the [gorm.DB] of a tx: single records and small sets of them, where
//     a row is read, changed and saved as one value (runs, chunks, periods, signatures,
//     invitations, dead letters, the outbox). Locks are clauses. Its Raw is used once, in
//     ClaimInvitations, for an UPDATE that returns records; GORM has no clause for the
//     locked subquery.
//   - pgx with SQL of our own, through exec, scan and list: counting, upserts and
//     everything else that is a statement rather than a record. Outside a transaction such a
//     statement is one round trip.
//   - Package pgcopy: anything whose rows grow with the accounts or the invoices, and the
//     hot paths (ingest, settlement, publication, an activation), where GORM's
//     reflection would cost more than the database and each wait for the database counts.
//     Statements that belong together are one batch. COPY writes thousands of rows; a
//     batch writes a few, because a COPY is a round trip of its own.
package store
