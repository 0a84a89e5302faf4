-- +goose Up
-- Text is compared by bytes (COLLATE "C"): identifiers have no language, and
-- their indexes build and sort several times faster so.
-- There are no foreign keys on purpose: on the big tables they make the monthly
-- run four times slower. The reconciliation proves the integrity instead.
-- Every table that grows with the clients has account_id in its key, so that it
-- can be distributed by it.

CREATE TABLE accounts (
    account_id     bigint PRIMARY KEY,
    code           text COLLATE "C" NOT NULL DEFAULT '',
    name           text NOT NULL DEFAULT '',
    tax_id         text COLLATE "C" NOT NULL DEFAULT '',
    email          text NOT NULL DEFAULT '',
    phone          text NOT NULL DEFAULT '',
    promo_until    text NOT NULL DEFAULT '',
    profile_at     timestamptz,
    profile_event  text COLLATE "C" NOT NULL DEFAULT '',
    registered_at  timestamptz,
    promo_ended_at timestamptz,
    terminated_at  timestamptz
);

CREATE TABLE codes (
    code       text COLLATE "C" PRIMARY KEY,
    account_id bigint NOT NULL UNIQUE
);

CREATE TABLE activations (
    account_id   bigint NOT NULL,
    seq          bigint GENERATED ALWAYS AS IDENTITY,
    event_key    uuid NOT NULL,
    code         text NOT NULL,
    requested_at timestamptz NOT NULL,
    status       text COLLATE "C" NOT NULL CHECK (status IN ('pending', 'accepted', 'refused')),
    reason       text COLLATE "C" NOT NULL,
    inviter_id   bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (account_id, seq)
);
-- One accepted code per account, for ever.
CREATE UNIQUE INDEX activations_one_accepted ON activations (account_id) WHERE status = 'accepted';
CREATE INDEX activations_pending ON activations (account_id) WHERE status = 'pending';

-- The accepted activations, kept with the inviter whose ladder they make.
CREATE TABLE referrals (
    account_id   bigint NOT NULL, -- the inviter
    invitee_id   bigint NOT NULL,
    activated_at timestamptz NOT NULL,
    PRIMARY KEY (account_id, invitee_id)
);

-- Derived from the facts, replaced whole when they change.
CREATE TABLE discounts (
    account_id bigint NOT NULL,
    kind       text COLLATE "C" NOT NULL CHECK (kind IN ('invitee', 'inviter')),
    from_day   date NOT NULL,
    to_day     date NOT NULL CHECK (to_day > from_day),
    percent    smallint NOT NULL CHECK (percent BETWEEN 0 AND 100),
    step       smallint NOT NULL,
    PRIMARY KEY (account_id, kind, from_day)
);
CREATE TABLE package_grants (
    account_id bigint NOT NULL,
    sms        integer NOT NULL,
    ordinal    integer NOT NULL,
    granted_on date NOT NULL,
    step       smallint NOT NULL,
    PRIMARY KEY (account_id, sms, ordinal)
);

-- The events taken so far. digest tells a repeat from another body under the same id.
CREATE TABLE inbox (
    event_key  uuid NOT NULL,
    account_id bigint NOT NULL,
    digest     uuid NOT NULL,
    taken_at   timestamptz NOT NULL,
    PRIMARY KEY (event_key, account_id)
);

-- Every revision of every invoice; the highest one counts.
CREATE TABLE invoices (
    account_id bigint NOT NULL,
    period     integer NOT NULL,
    invoice_id text COLLATE "C" NOT NULL,
    revision   integer NOT NULL,
    currency   text COLLATE "C" NOT NULL,
    digest     uuid NOT NULL,
    taken_at   timestamptz NOT NULL,
    PRIMARY KEY (account_id, period, invoice_id, revision)
);
CREATE INDEX invoices_by_id ON invoices (invoice_id);
CREATE INDEX invoices_revised ON invoices (account_id) WHERE revision > 1;

CREATE TABLE invoice_lines (
    account_id   bigint NOT NULL,
    period       integer NOT NULL,
    invoice_id   text COLLATE "C" NOT NULL,
    revision     integer NOT NULL,
    line_no      integer NOT NULL,
    line_id      text COLLATE "C" NOT NULL,
    service      text COLLATE "C" NOT NULL,
    from_day     date NOT NULL,
    to_day       date NOT NULL,
    amount_minor bigint NOT NULL
);
-- Not unique: the lines come with their invoice, whose key is.
CREATE INDEX invoice_lines_by_account ON invoice_lines (account_id, period);

CREATE TABLE periods (
    period     integer PRIMARY KEY CHECK (period % 100 BETWEEN 1 AND 12),
    min_day    date NOT NULL, -- bounds of the service periods invoiced
    max_day    date NOT NULL,
    started_at timestamptz,   -- from here on, what arrives late is marked stale
    settled_at timestamptz,   -- the month's own run has ended
    closed_at  timestamptz,
    closed_by  text
);

-- Accounts that a later fact has touched after their period was started.
CREATE TABLE stale (
    period     integer NOT NULL,
    account_id bigint NOT NULL,
    id         bigint GENERATED ALWAYS AS IDENTITY,
    PRIMARY KEY (period, account_id, id)
);

CREATE TABLE runs (
    run_id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    period         integer NOT NULL,
    posting_period integer NOT NULL,
    kind           text NOT NULL CHECK (kind IN ('regular', 'differences', 'full')),
    slot           text UNIQUE, -- the cron time it stands for: replicas that fire together make one run
    state          text NOT NULL CHECK (state IN ('rehearsing', 'braked', 'posting', 'done', 'incomplete', 'abandoned')),
    accepted       boolean NOT NULL DEFAULT false,
    brake          text NOT NULL DEFAULT '',
    started_at     timestamptz NOT NULL,
    finished_at    timestamptz,
    accounts   bigint NOT NULL DEFAULT 0,
    "full"     bigint NOT NULL DEFAULT 0,
    documents  bigint NOT NULL DEFAULT 0,
    items      bigint NOT NULL DEFAULT 0,
    amount     bigint NOT NULL DEFAULT 0,
    packages   bigint NOT NULL DEFAULT 0,
    sms        bigint NOT NULL DEFAULT 0,
    held_lines bigint NOT NULL DEFAULT 0,
    parked     bigint NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX runs_one_active ON runs (period) WHERE state IN ('rehearsing', 'posting');
CREATE INDEX runs_by_period ON runs (period);

CREATE TABLE run_chunks (
    run_id       bigint NOT NULL,
    chunk_no     integer NOT NULL,
    from_account bigint NOT NULL, -- inclusive
    to_account   bigint NOT NULL, -- inclusive
    state        text NOT NULL DEFAULT 'todo' CHECK (state IN ('todo', 'rehearsed', 'posted')),
    accounts   bigint NOT NULL DEFAULT 0,
    "full"     bigint NOT NULL DEFAULT 0,
    documents  bigint NOT NULL DEFAULT 0,
    items      bigint NOT NULL DEFAULT 0,
    amount     bigint NOT NULL DEFAULT 0,
    packages   bigint NOT NULL DEFAULT 0,
    sms        bigint NOT NULL DEFAULT 0,
    held_lines bigint NOT NULL DEFAULT 0,
    parked     bigint NOT NULL DEFAULT 0,
    posted_at    timestamptz,
    published_at timestamptz,
    PRIMARY KEY (run_id, chunk_no)
);
CREATE INDEX run_chunks_unpublished ON run_chunks (run_id, chunk_no) WHERE posted_at IS NOT NULL AND published_at IS NULL;

CREATE TABLE parked_accounts (
    run_id     bigint NOT NULL,
    account_id bigint NOT NULL,
    period     integer NOT NULL,
    error      text NOT NULL,
    parked_at  timestamptz NOT NULL,
    PRIMARY KEY (run_id, account_id)
);

-- Lines whose service is on no list, as their last settlement found them.
CREATE TABLE held_lines (
    account_id   bigint NOT NULL,
    period       integer NOT NULL,
    invoice_id   text COLLATE "C" NOT NULL,
    line_id      text COLLATE "C" NOT NULL,
    service      text NOT NULL,
    amount_minor bigint NOT NULL,
    PRIMARY KEY (account_id, period, invoice_id, line_id)
);

-- The ledger: documents, their items, and packages. Only ever added to.
CREATE TABLE adjustments (
    account_id       bigint NOT NULL,
    invoice_id       text COLLATE "C" NOT NULL,
    sequence         integer NOT NULL CHECK (sequence > 0),
    adjustment_id    uuid NOT NULL,
    invoice_revision integer NOT NULL,
    period           integer NOT NULL,
    posting_period   integer NOT NULL,
    currency         text COLLATE "C" NOT NULL,
    amount_minor     bigint NOT NULL,
    reason           text COLLATE "C" NOT NULL CHECK (reason IN ('run', 'late-fact', 'invoice-revised', 'revoked')),
    run_id           bigint NOT NULL,
    chunk_no         integer NOT NULL,
    posted_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, invoice_id, sequence)
);
CREATE INDEX adjustments_by_chunk ON adjustments (run_id, chunk_no);

CREATE TABLE adjustment_items (
    account_id   bigint NOT NULL,
    invoice_id   text COLLATE "C" NOT NULL,
    sequence     integer NOT NULL,
    line_id      text COLLATE "C" NOT NULL,
    service      text COLLATE "C" NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor <> 0),
    segments     text COLLATE "C" NOT NULL, -- "2026-04-01/2026-04-20@0+40 …": days, invitee % + inviter %
    PRIMARY KEY (account_id, invoice_id, sequence, line_id)
);

CREATE TABLE sms_packages (
    account_id     bigint NOT NULL,
    sms            integer NOT NULL,
    ordinal        integer NOT NULL,
    package_id     uuid NOT NULL,
    granted_on     date NOT NULL,
    period         integer NOT NULL,
    posting_period integer NOT NULL,
    invoice_id     text COLLATE "C" NOT NULL DEFAULT '',
    step           smallint NOT NULL,
    run_id         bigint NOT NULL,
    chunk_no       integer NOT NULL,
    posted_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, sms, ordinal)
);
CREATE INDEX sms_packages_by_chunk ON sms_packages (run_id, chunk_no);

-- Billing's answers, all of them.
CREATE TABLE results (
    adjustment_id uuid NOT NULL,
    account_id    bigint NOT NULL,
    event_key     uuid NOT NULL,
    status        text COLLATE "C" NOT NULL CHECK (status IN ('applied', 'rejected')),
    amount_minor  bigint NOT NULL,
    reason        text NOT NULL DEFAULT '',
    at            timestamptz NOT NULL,
    PRIMARY KEY (adjustment_id, account_id, event_key)
);

-- Events on their way out; a row goes when the broker has it.
CREATE TABLE outbox (
    account_id bigint NOT NULL,
    seq        bigint GENERATED ALWAYS AS IDENTITY,
    event_id   uuid NOT NULL,
    type       text NOT NULL,
    data       jsonb NOT NULL,
    at         timestamptz NOT NULL,
    PRIMARY KEY (seq, account_id)
);

CREATE TABLE dead_letters (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic         text NOT NULL,
    partition     integer NOT NULL,
    "offset"      bigint NOT NULL,
    key           bytea,
    value         bytea,
    headers       jsonb NOT NULL,
    sent_at       timestamptz NOT NULL,
    reason        text NOT NULL,
    detail        text NOT NULL,
    set_aside_at  timestamptz NOT NULL,
    published_at  timestamptz,
    replayed_at   timestamptz,
    UNIQUE (topic, partition, "offset", sent_at)
);
CREATE INDEX dead_letters_unpublished ON dead_letters (id) WHERE published_at IS NULL;

-- What the terms were when the standings were last derived.
CREATE TABLE programme_state (
    one          boolean PRIMARY KEY DEFAULT true CHECK (one),
    terms_digest text NOT NULL
);

-- What each reconciliation found.
CREATE TABLE reconciliations (
    period     integer NOT NULL,
    checked_at timestamptz NOT NULL,
    breaks     bigint NOT NULL,
    PRIMARY KEY (period, checked_at)
);

-- Times of a schedule that one replica has taken on for all.
CREATE TABLE slots (
    slot       text PRIMARY KEY,
    claimed_at timestamptz NOT NULL
);

-- +goose StatementBegin
CREATE FUNCTION ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only: % on % is refused; post a correction instead', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;
-- +goose StatementEnd
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON adjustments
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON adjustment_items
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON sms_packages
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON results
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();
-- The triggers hold for everyone, the owner included; this holds for roles that
-- could switch a trigger off.
REVOKE UPDATE, DELETE, TRUNCATE ON adjustments, adjustment_items, sms_packages, results FROM CURRENT_USER;

-- +goose Down
DROP TABLE slots, reconciliations, programme_state, dead_letters, outbox, results, sms_packages, adjustment_items, adjustments, held_lines,
    parked_accounts, run_chunks, runs, stale, periods, invoice_lines, invoices, inbox, package_grants, discounts,
    referrals, activations, codes, accounts;
DROP FUNCTION ledger_is_append_only;
