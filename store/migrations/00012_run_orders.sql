-- +goose Up
-- What persons ask of the scheduler, which may run on another machine than the pages:
-- rehearsals and runs of a period.
CREATE TABLE run_orders (
    order_id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    period            integer NOT NULL,
    what              text COLLATE "C" NOT NULL CHECK (what IN ('rehearse', 'run', 'accept-run')),
    "full"            boolean NOT NULL,
    requested_by      text NOT NULL CHECK (requested_by <> ''),
    requester_subject text NOT NULL, -- the provider's identifier of the person
    requested_at      timestamptz NOT NULL,
    state             text COLLATE "C" NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'working', 'done', 'failed')),
    attempt           integer NOT NULL DEFAULT 0, -- how often a process has taken it up
    seen_at           timestamptz, -- when that process last said that it works, by the database's clock
    chunks_through    integer NOT NULL DEFAULT 0,
    chunks_all        integer NOT NULL DEFAULT 0,
    finished_at       timestamptz,
    error             text NOT NULL DEFAULT '',
    result            jsonb, -- what a rehearsal found
    as_of             timestamptz, -- the facts that the rehearsal has seen
    compared_run      bigint, -- the run that followed the rehearsal and was compared with it
    comparison        jsonb,
    CHECK ((state IN ('done', 'failed')) = (finished_at IS NOT NULL))
);
-- The same request made twice is one order.
CREATE UNIQUE INDEX run_orders_one_active ON run_orders (period, what) WHERE state IN ('waiting', 'working');
CREATE INDEX run_orders_by_period ON run_orders (period, order_id);
CREATE INDEX run_orders_finished ON run_orders (finished_at);

-- What a rehearsal would post for each account, and by what: the run that follows is
-- compared with it. basis is models.SettlementBasis as JSON. Rows of an attempt that was
-- given up count for nothing.
CREATE TABLE rehearsed_amounts (
    order_id     bigint NOT NULL,
    attempt      integer NOT NULL,
    account_id   bigint NOT NULL,
    documents    integer NOT NULL,
    amount_minor bigint NOT NULL,
    packages     integer NOT NULL,
    parked       integer NOT NULL, -- the account, or invoices of it
    reaches_full smallint NOT NULL, -- 1: a day of a line has 100 %
    basis        text COLLATE "C" NOT NULL,
    PRIMARY KEY (order_id, attempt, account_id)
);
