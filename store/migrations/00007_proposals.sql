-- +goose Up
-- Acts that need two persons: one proposes, another decides. A row is changed once, by
-- the decision, and never deleted.
CREATE TABLE proposals (
    proposal_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    what             text COLLATE "C" NOT NULL CHECK (what <> ''), -- as operator_actions names the act
    subject          text COLLATE "C" NOT NULL,
    details          jsonb,
    preview          jsonb NOT NULL, -- what the proposer was shown
    reason           text NOT NULL CHECK (reason <> ''),
    proposed_at      timestamptz NOT NULL,
    proposed_by      text NOT NULL CHECK (proposed_by <> ''),
    proposer_subject text NOT NULL, -- the provider's identifier of the person; empty for a command
    state            text COLLATE "C" NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'approved', 'rejected', 'withdrawn')),
    decided_at       timestamptz,
    decided_by       text NOT NULL DEFAULT '',
    decider_subject  text NOT NULL DEFAULT '',
    answer           text NOT NULL DEFAULT '',
    CHECK ((state = 'open') = (decided_at IS NULL)),
    CHECK ((state = 'open') = (decided_by = '')),
    -- Nobody approves what he has proposed.
    CHECK (state <> 'approved' OR proposer_subject = '' OR decider_subject <> proposer_subject)
);
-- One act is proposed once at a time.
CREATE UNIQUE INDEX proposals_one_open ON proposals (what, subject) WHERE state = 'open';

-- +goose StatementBegin
CREATE FUNCTION proposal_is_decided_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state <> 'open' THEN
        RAISE EXCEPTION 'proposal % has been decided; a decision is not changed', OLD.proposal_id USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER decided_once BEFORE UPDATE ON proposals FOR EACH ROW EXECUTE FUNCTION proposal_is_decided_once();
CREATE TRIGGER append_only BEFORE UPDATE OF proposal_id, what, subject, details, preview, reason, proposed_at, proposed_by, proposer_subject OR DELETE OR TRUNCATE
    ON proposals FOR EACH STATEMENT EXECUTE FUNCTION history_is_append_only();
REVOKE DELETE, TRUNCATE ON proposals FROM CURRENT_USER;
