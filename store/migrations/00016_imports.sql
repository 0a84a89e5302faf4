-- +goose Up
-- What an older system told of accounts, referrals, packages and discounts: rows of its
-- files, each replaced by a newer one with the same key. They are facts; what follows from
-- them is in the tables of the programme. provenance names the file and the line.
CREATE TABLE imported_accounts (
    account_id    bigint PRIMARY KEY,
    name          text NOT NULL,
    tax_id        text COLLATE "C" NOT NULL,
    registered_at timestamptz,
    promo_ends_at timestamptz,
    terminated_at timestamptz,
    code          text COLLATE "C" NOT NULL,
    provenance    bytea
);
CREATE TABLE imported_referrals (
    account_id   bigint PRIMARY KEY, -- the invitee
    inviter_id   bigint NOT NULL,
    activated_at timestamptz NOT NULL,
    provenance   bytea
);
-- The ordinals follow those of the ledger: a package that was given counts as posted.
CREATE TABLE imported_packages (
    account_id bigint NOT NULL,
    sms        integer NOT NULL CHECK (sms > 0),
    given_on   date NOT NULL,
    ordinal    integer NOT NULL CHECK (ordinal > 0),
    provenance bytea,
    PRIMARY KEY (account_id, sms, given_on)
);
CREATE TABLE imported_discounts (
    account_id bigint NOT NULL,
    from_day   date NOT NULL,
    to_day     date NOT NULL CHECK (to_day > from_day),
    percent    smallint NOT NULL CHECK (percent BETWEEN 1 AND 100),
    provenance bytea,
    PRIMARY KEY (account_id, from_day)
);

-- Which values of an account are those of an older system: 1 registration, 2 end of the
-- promo period, 4 termination, 8 name and tax id.
ALTER TABLE accounts ADD COLUMN imported smallint NOT NULL DEFAULT 0;

-- All packages that clients have: those of the ledger and those given before.
CREATE VIEW given_packages AS
SELECT account_id, sms, ordinal FROM sms_packages UNION ALL SELECT account_id, sms, ordinal FROM imported_packages;
