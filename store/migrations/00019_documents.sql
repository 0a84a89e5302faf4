-- +goose Up
-- Requests to publish a document again that billing has rejected. They wait among
-- the chunks to publish, in the order of posting. Only published_at ever changes.
CREATE TABLE document_resends (
    account_id   bigint NOT NULL,
    document_id  uuid NOT NULL, -- an adjustment or a package
    resend_id    bigint GENERATED ALWAYS AS IDENTITY,
    posting      bigint NOT NULL,
    rejected_at  timestamptz NOT NULL, -- how billing dated the answer that this replies to
    requested_at timestamptz NOT NULL,
    requested_by text NOT NULL CHECK (requested_by <> ''),
    reason       text NOT NULL DEFAULT '',
    published_at timestamptz,
    PRIMARY KEY (account_id, document_id, resend_id)
);
CREATE INDEX document_resends_unpublished ON document_resends (posting, resend_id) WHERE published_at IS NULL;

-- Documents that billing has rejected and that finance has settled by hand.
CREATE TABLE document_write_offs (
    account_id     bigint NOT NULL,
    document_id    uuid NOT NULL,
    written_off_at timestamptz NOT NULL,
    written_off_by text NOT NULL CHECK (written_off_by <> ''),
    reason         text NOT NULL CHECK (reason <> ''),
    PRIMARY KEY (account_id, document_id)
);

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON document_write_offs
    FOR EACH STATEMENT EXECUTE FUNCTION history_is_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OF account_id, document_id, posting, rejected_at, requested_at, requested_by, reason OR DELETE OR TRUNCATE
    ON document_resends FOR EACH STATEMENT EXECUTE FUNCTION history_is_append_only();
REVOKE UPDATE, DELETE, TRUNCATE ON document_write_offs FROM CURRENT_USER;
REVOKE DELETE, TRUNCATE ON document_resends FROM CURRENT_USER;

-- +goose Down
DROP TABLE document_write_offs, document_resends;
