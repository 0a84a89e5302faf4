-- +goose Up
-- Finance's signatures under periods, with the totals that were signed. Only ever
-- added to: a period that was reopened and closed again has several, and the newest
-- counts.
CREATE TABLE signatures (
    signature_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    period            integer NOT NULL,
    at                timestamptz NOT NULL,
    who               text NOT NULL CHECK (who <> ''),
    reason            text NOT NULL DEFAULT '',
    override_reason   text NOT NULL DEFAULT '', -- why it was closed in spite of the objections
    objections        text NOT NULL DEFAULT '', -- a line each
    last_run          bigint NOT NULL,          -- what later runs post to the period's documents is a correction
    foreign_documents bigint NOT NULL,          -- posted into the period for closed ones
    foreign_amount    bigint NOT NULL
);
CREATE INDEX signatures_by_period ON signatures (period, signature_id);

CREATE TABLE signed_totals (
    signature_id     bigint NOT NULL,
    kind             text COLLATE "C" NOT NULL,
    percent          integer NOT NULL, -- of a discount, or the size of a package
    currency         text COLLATE "C" NOT NULL,
    entitled_count   bigint NOT NULL,
    entitled_amount  bigint NOT NULL,
    posted_count     bigint NOT NULL,
    posted_amount    bigint NOT NULL,
    published_count  bigint NOT NULL,
    published_amount bigint NOT NULL,
    answered_count   bigint NOT NULL,
    answered_amount  bigint NOT NULL,
    written_off_count  bigint NOT NULL,
    written_off_amount bigint NOT NULL,
    PRIMARY KEY (signature_id, kind, percent, currency)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON signatures
    FOR EACH STATEMENT EXECUTE FUNCTION history_is_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON signed_totals
    FOR EACH STATEMENT EXECUTE FUNCTION history_is_append_only();
REVOKE UPDATE, DELETE, TRUNCATE ON signatures, signed_totals FROM CURRENT_USER;

-- +goose Down
DROP TABLE signed_totals, signatures;
