-- +goose Up
-- Checks of the whole journal, one each night and one each time that a person asks. Only
-- ever added to: a later check compares the last entry that each saw. So a journal that was
-- cut off at the end, or written again from an entry on, is found too.
CREATE TABLE journal_checks (
    check_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    checked_at timestamptz NOT NULL,
    who        text COLLATE "C" NOT NULL, -- empty for the nightly one
    entries    bigint NOT NULL,
    last_entry bigint NOT NULL, -- 0 of an empty journal
    head       bytea NOT NULL CHECK (length(head) = 32), -- hash of that entry
    wrong      bigint NOT NULL,
    faults     jsonb NOT NULL -- the first of what is wrong
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON journal_checks
    FOR EACH STATEMENT EXECUTE FUNCTION history_is_append_only();
REVOKE UPDATE, DELETE, TRUNCATE ON journal_checks FROM CURRENT_USER;
