-- +goose Up
-- When the personal data of an account were erased. They do not come back by a later or a
-- repeated message. Who erased them, and why, is in operator_actions.
ALTER TABLE accounts ADD COLUMN erased_at timestamptz;
CREATE INDEX accounts_terminated ON accounts (terminated_at) WHERE terminated_at IS NOT NULL AND erased_at IS NULL;

-- What a proposal quotes of a message may be erased, and nothing else of it changed.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION proposal_is_decided_once() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    erased boolean := NEW.details IS NULL AND to_jsonb(NEW) - 'details' = to_jsonb(OLD) - 'details';
BEGIN
    IF OLD.details IS DISTINCT FROM NEW.details AND NOT erased THEN
        RAISE EXCEPTION 'proposals is append-only: UPDATE of details is refused' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF OLD.state <> 'open' AND NOT erased THEN
        RAISE EXCEPTION 'proposal % has been decided; a decision is not changed', OLD.proposal_id USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
DROP TRIGGER append_only ON proposals;
CREATE TRIGGER append_only BEFORE UPDATE OF proposal_id, what, subject, preview, reason, proposed_at, proposed_by, proposer_subject OR DELETE OR TRUNCATE
    ON proposals FOR EACH STATEMENT EXECUTE FUNCTION history_is_append_only();
