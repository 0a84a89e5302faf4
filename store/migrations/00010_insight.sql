-- +goose Up
-- Referrals that a person should look at, as the last nightly search found them, with
-- the discounts that they concern. referrals are three lists of equal length.
CREATE TABLE suspicions (
    fingerprint  bytea PRIMARY KEY CHECK (length(fingerprint) = 32), -- of the signs and the referrals
    signs        text[] NOT NULL,
    inviters     bigint[] NOT NULL,
    invitees     bigint[] NOT NULL,
    activated    timestamptz[] NOT NULL,
    posted_minor bigint NOT NULL,
    ahead_minor  bigint NOT NULL, -- in the next twelve months, by the forecast
    found_at     timestamptz NOT NULL
);
CREATE TABLE suspicion_searches (
    searched_at timestamptz PRIMARY KEY,
    accounts    bigint NOT NULL,
    referrals   bigint NOT NULL,
    found       bigint NOT NULL
);

-- Who has looked at a suspicion. One that grows has another fingerprint and is new.
CREATE TABLE suspicions_seen (
    fingerprint bytea PRIMARY KEY CHECK (length(fingerprint) = 32),
    seen_at     timestamptz NOT NULL,
    seen_by     text NOT NULL CHECK (seen_by <> ''),
    note        text NOT NULL CHECK (note <> '')
);

-- What granted discounts were expected to cost, as the last night of a month expected
-- it, and what they came to.
CREATE TABLE forecasts (
    made_for     integer NOT NULL, -- the month in which it was made
    target       integer NOT NULL, -- the month that it is about
    kind         text COLLATE "C" NOT NULL,
    step         smallint NOT NULL, -- of the ladder; 0 of a new client's discount
    amount_minor bigint NOT NULL,
    made_at      timestamptz NOT NULL,
    PRIMARY KEY (made_for, target, kind, step)
);
CREATE TABLE forecast_actuals (
    target       integer NOT NULL,
    kind         text COLLATE "C" NOT NULL,
    step         smallint NOT NULL,
    amount_minor bigint NOT NULL,
    PRIMARY KEY (target, kind, step)
);
