-- +goose Up

-- Invitations, and at once the outbox of whoever sends them. The token of the
-- opt-out link is kept until the message has gone out, and then only its digest.
CREATE TABLE invitations (
    account_id    bigint NOT NULL,
    invitation_id uuid NOT NULL,
    channel       text COLLATE "C" NOT NULL CHECK (channel IN ('email', 'sms')),
    recipient     text NOT NULL,
    recipient_key bytea NOT NULL,
    code          text COLLATE "C" NOT NULL,
    day           date NOT NULL,
    state         text COLLATE "C" NOT NULL
        CHECK (state IN ('queued', 'sending', 'sent', 'delivered', 'failed', 'unknown', 'opted_out')),
    attempts      integer NOT NULL DEFAULT 0, -- also those for which nobody was there: one a minute and replica
    put_off       smallint NOT NULL DEFAULT 0, -- how often the carrier said "later"
    next_try_at   timestamptz NOT NULL,
    claimed_at    timestamptz,
    carrier       text COLLATE "C" NOT NULL DEFAULT '', -- smtp, smpp or kafka, from the first attempt on
    carrier_id    text NOT NULL DEFAULT '',
    token         text COLLATE "C" NOT NULL DEFAULT '',
    token_hash    bytea NOT NULL,
    created_at    timestamptz NOT NULL,
    changed_at    timestamptz NOT NULL,
    PRIMARY KEY (account_id, invitation_id)
);
CREATE INDEX invitations_newest ON invitations (account_id, created_at, invitation_id);
CREATE INDEX invitations_waiting ON invitations (channel, next_try_at) WHERE state = 'queued';
CREATE INDEX invitations_waiting_for ON invitations (recipient_key) WHERE state = 'queued';
CREATE INDEX invitations_in_hand ON invitations (claimed_at) WHERE state = 'sending';
CREATE INDEX invitations_by_token ON invitations (token_hash);

-- How many a client has sent on a day. The row is also the lock under which the
-- client's next one is taken on.
CREATE TABLE invitation_days (
    account_id bigint NOT NULL,
    day        date NOT NULL,
    taken      integer NOT NULL,
    PRIMARY KEY (account_id, day)
);

-- Whoever was ever written to, known by a digest alone: the last day on which it
-- was, and whether it wants no more. One row, so that a day's only invitation and
-- an opt-out at the same moment wait for each other.
CREATE TABLE recipients (
    recipient_key bytea PRIMARY KEY,
    invited_on    date NOT NULL,
    opted_out_at  timestamptz
);

-- The parts of messages by the carrier's own ids, to know its receipts by. A
-- receipt may come before we have noted whose it is: then account_id is null.
CREATE TABLE invitation_parts (
    carrier       text COLLATE "C" NOT NULL,
    carrier_id    text COLLATE "C" NOT NULL,
    account_id    bigint,
    invitation_id uuid,
    state         text COLLATE "C" NOT NULL DEFAULT '' CHECK (state IN ('', 'delivered', 'failed')),
    noted_at      timestamptz NOT NULL,
    PRIMARY KEY (carrier, carrier_id)
);
CREATE INDEX invitation_parts_of ON invitation_parts (account_id, invitation_id);
CREATE INDEX invitation_parts_of_nobody ON invitation_parts (noted_at) WHERE account_id IS NULL;

-- +goose Down
DROP TABLE invitation_parts, recipients, invitation_days, invitations;
