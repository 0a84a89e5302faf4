-- +goose Up
-- What an older system has given in a month of the shadow mode, as its file says. A period
-- has one row: the file that was booked last.
CREATE TABLE booked_files (
    period           integer PRIMARY KEY,
    run_id           bigint NOT NULL, -- that has booked it
    sha256           text COLLATE "C" NOT NULL,
    row_count        bigint NOT NULL,
    amount_minor     bigint NOT NULL, -- of all rows, as added to invoices
    not_booked       bigint NOT NULL, -- rows
    not_booked_minor bigint NOT NULL,
    booked_at        timestamptz NOT NULL
);
-- The rows of these files that the ledger does not hold.
CREATE TABLE not_booked (
    period       integer NOT NULL,
    line         integer NOT NULL,
    account_id   bigint NOT NULL, -- 0 when the row names an invoice alone
    invoice_id   text COLLATE "C" NOT NULL, -- empty when the row names an account alone
    amount_minor bigint NOT NULL,
    reason       text COLLATE "C" NOT NULL CHECK (reason IN ('unknown-invoice', 'unknown-account', 'other-month', 'no-invoice', 'refused', 'meanwhile')),
    detail       text NOT NULL,
    PRIMARY KEY (period, line)
);
