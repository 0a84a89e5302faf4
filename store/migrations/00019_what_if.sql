-- +goose Up
-- A comparison of terms is an order too: of the months from from_period to period.
ALTER TABLE run_orders
    ADD COLUMN from_period integer NOT NULL DEFAULT 0, -- 0 in other orders
    ADD COLUMN terms text COLLATE "C" NOT NULL DEFAULT '', -- the other terms, as JSON; empty in other orders
    ADD COLUMN what_if jsonb, -- what it found
    DROP CONSTRAINT run_orders_what_check,
    ADD CONSTRAINT run_orders_what_check CHECK (what IN ('rehearse', 'run', 'accept-run', 'what-if')),
    ADD CONSTRAINT run_orders_what_if CHECK ((what = 'what-if') = (from_period <> 0 AND terms <> ''));
DROP INDEX run_orders_one_active;
CREATE UNIQUE INDEX run_orders_one_active ON run_orders (period, what, from_period, hashtextextended(terms, 0)) WHERE state IN ('waiting', 'working');
-- The newest comparisons.
CREATE INDEX run_orders_what_if ON run_orders (order_id) WHERE what = 'what-if';
