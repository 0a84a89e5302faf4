-- +goose Up

-- Who takes part in the programme without having entered a code.
CREATE TABLE memberships (
    account_id bigint PRIMARY KEY,
    entered_at timestamptz NOT NULL
);

-- An inviter's friends, the newest first, page by page.
CREATE INDEX referrals_newest ON referrals (account_id, activated_at, invitee_id);

-- Wrong codes entered, by account, by address and overall, each in a window of
-- time. A try is counted before the code is looked up, and taken off again when
-- the code was right: so no number of tries at one moment gets past the limit.
-- allowed is the limit in force at the last try. The few rows are written often:
-- half of a page is left free for their new versions.
CREATE TABLE code_tries (
    scope       text COLLATE "C" NOT NULL CHECK (scope IN ('account', 'address', 'overall')),
    subject     text COLLATE "C" NOT NULL,
    window_ends timestamptz NOT NULL,
    tries       integer NOT NULL CHECK (tries >= 0),
    allowed     integer NOT NULL,
    PRIMARY KEY (scope, subject, window_ends)
) WITH (fillfactor = 50);
CREATE INDEX code_tries_over ON code_tries (window_ends);

-- Requests that may be repeated, with their answers (Idempotency-Key). One that
-- has no answer is being answered by whoever claimed it last.
CREATE TABLE client_requests (
    account_id bigint NOT NULL,
    key        uuid NOT NULL,
    digest     uuid NOT NULL,
    taken_at   timestamptz NOT NULL,
    claimed_at timestamptz NOT NULL,
    answer     bytea,
    PRIMARY KEY (account_id, key)
);
CREATE INDEX client_requests_old ON client_requests (taken_at);

-- +goose Down
DROP TABLE client_requests, code_tries;
DROP INDEX referrals_newest;
DROP TABLE memberships;
