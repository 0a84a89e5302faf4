-- +goose NO TRANSACTION
-- +goose Up
-- What was posted for a period into another one, because it was closed.
CREATE INDEX CONCURRENTLY IF NOT EXISTS adjustments_away ON adjustments (period, account_id, invoice_id, sequence) WHERE posting_period <> period;
CREATE INDEX CONCURRENTLY IF NOT EXISTS sms_packages_away ON sms_packages (period) WHERE posting_period <> period;
