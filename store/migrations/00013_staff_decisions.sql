-- +goose Up
-- What staff decided about referrals: a referral is revoked from a day on, a code is
-- accepted that the rules refuse, an earlier decision is undone. Facts like those that
-- come by message, and only ever added to.
CREATE TABLE staff_decisions (
    account_id   bigint NOT NULL, -- the invitee
    decision_id  uuid NOT NULL,
    kind         text COLLATE "C" NOT NULL CHECK (kind IN ('revoke', 'accept-code', 'undo')),
    inviter_id   bigint NOT NULL,
    code         text COLLATE "C" NOT NULL DEFAULT '',
    requested_at timestamptz, -- with account_id and code the key of the request that is accepted
    from_day     date,        -- of a revocation: first day without effect; 1900-01-01 for none at all
    undoes       uuid,        -- the decision that is undone
    decided_at   timestamptz NOT NULL,
    decided_by   text NOT NULL CHECK (decided_by <> ''), -- who proposed it
    approved_by  text NOT NULL CHECK (approved_by <> ''),
    reason       text NOT NULL CHECK (reason <> ''),
    PRIMARY KEY (account_id, decision_id),
    CHECK ((kind = 'accept-code') = (requested_at IS NOT NULL AND code <> '')),
    CHECK ((kind = 'revoke') = (from_day IS NOT NULL)),
    CHECK ((kind = 'undo') = (undoes IS NOT NULL))
);
CREATE INDEX staff_decisions_by_inviter ON staff_decisions (inviter_id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON staff_decisions
    FOR EACH STATEMENT EXECUTE FUNCTION history_is_append_only();
REVOKE UPDATE, DELETE, TRUNCATE ON staff_decisions FROM CURRENT_USER;

-- Derived from the decisions: the first day on which a referral has no effect.
ALTER TABLE activations ADD COLUMN revoked_from date;
ALTER TABLE referrals ADD COLUMN revoked_from date;
