-- +goose Up
-- What a rehearsal would post for an account in a signed month, whose differences the run
-- carries, is kept apart from what it would post for the month itself.
ALTER TABLE rehearsed_amounts
    ADD COLUMN period integer NOT NULL DEFAULT 0, -- the signed month; 0 for the order's own
    ADD COLUMN reasons text COLLATE "C" NOT NULL DEFAULT '', -- of its documents, separated by spaces
    DROP CONSTRAINT rehearsed_amounts_pkey,
    ADD PRIMARY KEY (order_id, attempt, account_id, period);
-- Runs of signed months that were compared with the rehearsal: models.RunComparison as a
-- list. NULL: the rehearsal has kept nothing of them.
ALTER TABLE run_orders ADD COLUMN compared_corrections jsonb;
