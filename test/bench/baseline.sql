-- The normalised schema that the baselines read and write: a row for each invoice,
-- line, document and item, with the keys, indexes and triggers that a ledger needs.
-- It is not the product's schema and does not follow it.
CREATE SCHEMA baseline;

CREATE TABLE baseline.invoices (
    account_id bigint NOT NULL,
    period     integer NOT NULL,
    invoice_id text COLLATE "C" NOT NULL,
    revision   integer NOT NULL,
    currency   text COLLATE "C" NOT NULL,
    provenance bytea,
    PRIMARY KEY (account_id, period, invoice_id, revision)
);
CREATE UNIQUE INDEX invoices_by_revision ON baseline.invoices (invoice_id, revision);
CREATE INDEX invoices_revised ON baseline.invoices (account_id) WHERE revision > 1;

CREATE TABLE baseline.invoice_lines (
    account_id   bigint NOT NULL,
    period       integer NOT NULL,
    invoice_id   text COLLATE "C" NOT NULL,
    revision     integer NOT NULL,
    line_no      integer NOT NULL,
    line_id      text COLLATE "C" NOT NULL,
    service      text COLLATE "C" NOT NULL,
    from_day     date NOT NULL,
    to_day       date NOT NULL,
    amount_minor bigint NOT NULL
);
CREATE INDEX invoice_lines_by_account ON baseline.invoice_lines (account_id, period);

CREATE TABLE baseline.adjustments (
    account_id       bigint NOT NULL,
    invoice_id       text COLLATE "C" NOT NULL,
    sequence         integer NOT NULL CHECK (sequence > 0),
    adjustment_id    uuid NOT NULL,
    invoice_revision integer NOT NULL,
    period           integer NOT NULL,
    posting_period   integer NOT NULL,
    currency         text COLLATE "C" NOT NULL,
    amount_minor     bigint NOT NULL,
    reason           text COLLATE "C" NOT NULL CHECK (reason IN ('run', 'late-fact', 'invoice-revised', 'revoked')),
    run_id           bigint NOT NULL,
    chunk_no         integer NOT NULL,
    posted_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, invoice_id, sequence)
);
CREATE INDEX adjustments_by_chunk ON baseline.adjustments (run_id, chunk_no);

CREATE TABLE baseline.adjustment_items (
    account_id   bigint NOT NULL,
    invoice_id   text COLLATE "C" NOT NULL,
    sequence     integer NOT NULL,
    line_id      text COLLATE "C" NOT NULL,
    service      text COLLATE "C" NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor <> 0),
    segments     text COLLATE "C" NOT NULL, -- "2026-04-01/2026-04-20@0+40 …": days, invitee % + inviter %
    PRIMARY KEY (account_id, invoice_id, sequence, line_id)
);

CREATE FUNCTION baseline.ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only: % on % is refused', TG_OP, TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON baseline.adjustments
    FOR EACH STATEMENT EXECUTE FUNCTION baseline.ledger_is_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON baseline.adjustment_items
    FOR EACH STATEMENT EXECUTE FUNCTION baseline.ledger_is_append_only();
