-- +goose Up
-- What persons did by commands: who, when, what, to which subject (a period, a
-- document, a dead letter …) and why. Only ever added to.
CREATE TABLE operator_actions (
    action_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at        timestamptz NOT NULL,
    who       text NOT NULL CHECK (who <> ''),
    what      text COLLATE "C" NOT NULL CHECK (what <> ''),
    subject   text COLLATE "C" NOT NULL,
    reason    text NOT NULL DEFAULT ''
);
CREATE INDEX operator_actions_by_subject ON operator_actions (subject, action_id);

-- +goose StatementBegin
CREATE FUNCTION history_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;
-- +goose StatementEnd
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON operator_actions
    FOR EACH STATEMENT EXECUTE FUNCTION history_is_append_only();
REVOKE UPDATE, DELETE, TRUNCATE ON operator_actions FROM CURRENT_USER;

-- +goose Down
DROP TABLE operator_actions;
DROP FUNCTION history_is_append_only;
