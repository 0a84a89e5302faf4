-- +goose Up
-- For the gauges: by how much, and for how many accounts, what billing booked differs
-- from what the facts give, by a nightly reconciliation. 0 in those of releases before.
ALTER TABLE reconciliations
    ADD COLUMN lacking_accounts bigint NOT NULL DEFAULT 0, -- entitled but not discounted
    ADD COLUMN lacking_amount   bigint NOT NULL DEFAULT 0,
    ADD COLUMN excess_accounts  bigint NOT NULL DEFAULT 0, -- discounted but not entitled
    ADD COLUMN excess_amount    bigint NOT NULL DEFAULT 0;
