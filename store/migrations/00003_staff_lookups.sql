-- +goose NO TRANSACTION
-- +goose Up
-- What the staff pages look for: clients by their tax id, and documents that billing
-- has rejected.
CREATE INDEX CONCURRENTLY IF NOT EXISTS accounts_by_tax_id ON accounts (tax_id) WHERE tax_id <> '';
CREATE INDEX CONCURRENTLY IF NOT EXISTS results_rejected ON results (at) WHERE status = 'rejected';
