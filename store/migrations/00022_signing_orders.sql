-- +goose Up
-- To sign a month, which begins with its reconciliation, is an order too.
ALTER TABLE run_orders
    ADD COLUMN signing jsonb, -- what two persons have agreed on; models.Signing
    DROP CONSTRAINT run_orders_what_check,
    ADD CONSTRAINT run_orders_what_check CHECK (what IN ('rehearse', 'run', 'accept-run', 'what-if', 'sign')),
    ADD CONSTRAINT run_orders_signing CHECK ((what = 'sign') = (signing IS NOT NULL));
