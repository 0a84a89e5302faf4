-- +goose Up
-- The total, in kopecks, that two persons saw when they let a run pass the brake: it passes
-- while it comes to about that. NULL: whatever it comes to.
ALTER TABLE runs ADD COLUMN accepted_amount bigint;
ALTER TABLE run_orders ADD COLUMN accepted_amount bigint;
