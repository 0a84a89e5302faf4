-- +goose Up
-- Which programs work on the schema: while replicas are replaced, and after a way back to
-- the release before, the schema is newer than the program. What `referral migrate` of a
-- release has made up to version may be used by programs whose own newest version is
-- oldest_program or later.
CREATE TABLE schema_programs (
    version        bigint PRIMARY KEY,
    oldest_program bigint NOT NULL CHECK (oldest_program BETWEEN 1 AND version)
);
