-- +goose Up
-- What was settled in shadow mode, beside an older system: its documents are in the ledger
-- and are never published. A period is settled in one mode until it is closed.
ALTER TABLE periods ADD COLUMN shadow boolean NOT NULL DEFAULT false;
ALTER TABLE runs ADD COLUMN shadow boolean NOT NULL DEFAULT false;
ALTER TABLE run_chunks ADD COLUMN shadow boolean NOT NULL DEFAULT false;
-- A run of the kind booked brings the ledger to what the older system has given.
ALTER TABLE runs DROP CONSTRAINT runs_kind_check;
ALTER TABLE runs ADD CONSTRAINT runs_kind_check CHECK (kind IN ('regular', 'differences', 'full', 'booked'));
ALTER TABLE adjustments DROP CONSTRAINT adjustments_reason_check;
ALTER TABLE adjustments ADD CONSTRAINT adjustments_reason_check CHECK (reason IN ('run', 'late-fact', 'invoice-revised', 'revoked', 'booked-elsewhere')) NOT VALID;
