-- +goose Up
-- What a nightly reconciliation found, for the page of the month: control totals and
-- the first of what does not tie. NULL for those that a release before has made.
ALTER TABLE reconciliations ADD COLUMN report jsonb;
