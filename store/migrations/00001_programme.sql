-- +goose Up
-- Text is compared by bytes (COLLATE "C"): identifiers have no language, and
-- their indexes build and sort several times faster so.
-- There are no foreign keys on purpose: on the big tables they make the monthly
-- run four times slower. The reconciliation proves the integrity instead.
-- Every unique key of a table that grows with the clients contains account_id, or
-- is the table's own subject of uniqueness, so that the table can be distributed
-- by it. Keys of tables that grow every month begin with the month, so that a
-- month's rows lie together and the months before cost nothing.

CREATE TABLE accounts (
    account_id     bigint PRIMARY KEY,
    code           text COLLATE "C" NOT NULL DEFAULT '',
    name           text NOT NULL DEFAULT '',
    tax_id         text COLLATE "C" NOT NULL DEFAULT '',
    email          text NOT NULL DEFAULT '',
    phone          text NOT NULL DEFAULT '',
    promo_until    text NOT NULL DEFAULT '',
    profile_at     timestamptz,
    registered_at  timestamptz,
    promo_ended_at timestamptz,
    terminated_at  timestamptz,
    -- Where a fact came from is packed: as varints the number of the topic, the
    -- partition and the offset of the message, or a zero and the 16 bytes of the key
    -- of a request at the personal account; then the time in milliseconds.
    -- `referral explain` shows it.
    registered_provenance  bytea,
    promo_ended_provenance bytea,
    terminated_provenance  bytea,
    profile_provenance     bytea
);

-- The accounts by their codes: what makes a code unique. accounts.code is the same.
CREATE TABLE codes (
    code       text COLLATE "C" PRIMARY KEY,
    account_id bigint NOT NULL
);

CREATE TABLE activations (
    account_id   bigint NOT NULL,
    seq          bigint GENERATED ALWAYS AS IDENTITY,
    code         text NOT NULL,
    requested_at timestamptz NOT NULL,
    status       text COLLATE "C" NOT NULL CHECK (status IN ('pending', 'accepted', 'refused')),
    reason       text COLLATE "C" NOT NULL,
    inviter_id   bigint NOT NULL DEFAULT 0,
    provenance   bytea,
    PRIMARY KEY (account_id, requested_at, code)
);
-- An account accepts one code, once.
CREATE UNIQUE INDEX activations_one_accepted ON activations (account_id) WHERE status = 'accepted';
CREATE INDEX activations_pending ON activations (account_id) WHERE status = 'pending';

-- The accepted activations, kept with the inviter whose ladder they make.
CREATE TABLE referrals (
    account_id   bigint NOT NULL, -- the inviter
    invitee_id   bigint NOT NULL,
    activated_at timestamptz NOT NULL,
    PRIMARY KEY (account_id, invitee_id)
);
-- An inviter's friends, the newest first, page by page.
CREATE INDEX referrals_newest ON referrals (account_id, activated_at, invitee_id);

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

-- The topics that facts came from, by the numbers that stand for them in their
-- provenance.
CREATE TABLE topics (
    topic_no integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name     text COLLATE "C" NOT NULL UNIQUE
);

-- Whose an invoice is: what makes an invoice id unique. All revisions of the invoice
-- and all documents on it are stored under storage_period, the period of the
-- revision that came first, wherever later revisions move it.
CREATE TABLE invoice_ids (
    account_id     bigint NOT NULL,
    storage_period integer NOT NULL,
    invoice_id     text COLLATE "C" PRIMARY KEY
);

-- Every revision of every invoice; the highest one counts. lines has a line of text
-- for each line of the invoice, fields separated by tabs: its id, the service, the
-- amount in kopecks, and unless the service period is the whole billing period,
-- "from/to" in days from the first of it. In ids and services \t, \n and \b stand for a tab, a line feed and a backslash.
-- The view invoice_lines shows the same as rows.
CREATE TABLE invoices (
    account_id     bigint NOT NULL,
    storage_period integer NOT NULL,
    period         integer NOT NULL,
    revision       integer NOT NULL,
    invoice_id     text COLLATE "C" NOT NULL,
    currency       text COLLATE "C" NOT NULL,
    lines          text COLLATE "C" NOT NULL,
    provenance     bytea,
    PRIMARY KEY (storage_period, account_id, invoice_id, revision)
);
CREATE INDEX invoices_moved ON invoices (period, account_id) WHERE period <> storage_period;

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

-- The order in which chunks were posted, across runs that post at once. A number
-- is drawn in the transaction that posts: one that builds on another's documents
-- has begun after that one's commit, and so draws a higher number.
CREATE SEQUENCE postings;

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
    posting      bigint NOT NULL DEFAULT 0,
    posted_at    timestamptz,
    published_at timestamptz,
    PRIMARY KEY (run_id, chunk_no)
);
CREATE INDEX run_chunks_unpublished ON run_chunks (posting, run_id, chunk_no) WHERE posted_at IS NOT NULL AND published_at IS NULL;

-- What one invoice causes parks that invoice; a row without one is about all of the account.
CREATE TABLE parked_accounts (
    run_id     bigint NOT NULL,
    account_id bigint NOT NULL,
    invoice_id text COLLATE "C" NOT NULL DEFAULT '',
    period     integer NOT NULL,
    error      text NOT NULL,
    parked_at  timestamptz NOT NULL,
    PRIMARY KEY (run_id, account_id, invoice_id)
);

-- Lines whose service the terms do not name, as their last settlement found them.
CREATE TABLE held_lines (
    account_id   bigint NOT NULL,
    period       integer NOT NULL,
    invoice_id   text COLLATE "C" NOT NULL,
    line_id      text COLLATE "C" NOT NULL,
    service      text NOT NULL,
    amount_minor bigint NOT NULL,
    PRIMARY KEY (period, account_id, invoice_id, line_id)
);

-- The ledger: documents and packages. Only ever added to. items has a line of text
-- for each item, fields separated by tabs: the line's id, the service, the amount in
-- kopecks, and the days with their percentages of the invitee and the inviter,
-- "2026-04-01/2026-04-20@0+40 …", unless they are those of the item before; "-" are
-- none. Escapes are those of invoices.lines. The view adjustment_items shows the same as rows.
CREATE TABLE adjustments (
    account_id       bigint NOT NULL,
    amount_minor     bigint NOT NULL,
    run_id           bigint NOT NULL,
    posted_at        timestamptz NOT NULL DEFAULT now(),
    adjustment_id    uuid NOT NULL, -- begins with the start of period: see billing.AdjustmentID
    storage_period   integer NOT NULL,
    period           integer NOT NULL,
    posting_period   integer NOT NULL,
    sequence         integer NOT NULL CHECK (sequence > 0),
    invoice_revision integer NOT NULL,
    chunk_no         integer NOT NULL,
    invoice_id       text COLLATE "C" NOT NULL,
    currency         text COLLATE "C" NOT NULL,
    reason           text COLLATE "C" NOT NULL CHECK (reason IN ('run', 'late-fact', 'invoice-revised', 'revoked')),
    items            text COLLATE "C" NOT NULL,
    PRIMARY KEY (storage_period, account_id, invoice_id, sequence)
);
CREATE INDEX adjustments_by_chunk ON adjustments (run_id, chunk_no);
CREATE INDEX adjustments_moved ON adjustments (period, account_id) WHERE period <> storage_period;
CREATE INDEX adjustments_foreign ON adjustments (posting_period) WHERE posting_period <> period;

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

-- Billing's answers, all of them. The key is that of the answer. It has no account,
-- which the message may not name.
CREATE TABLE results (
    account_id    bigint NOT NULL,
    amount_minor  bigint NOT NULL,
    at            timestamptz NOT NULL,
    adjustment_id uuid NOT NULL,
    status        text COLLATE "C" NOT NULL CHECK (status IN ('applied', 'rejected')),
    reason        text NOT NULL DEFAULT '',
    provenance    bytea,
    PRIMARY KEY (adjustment_id, at, status)
);
CREATE INDEX results_at ON results (at);

-- Requests to publish a document again that billing has rejected. They wait among
-- the chunks to publish, in the order of posting. Only published_at ever changes.
CREATE TABLE document_resends (
    account_id   bigint NOT NULL,
    document_id  uuid NOT NULL, -- an adjustment or a package
    resend_id    bigint GENERATED ALWAYS AS IDENTITY,
    posting      bigint NOT NULL,
    rejected_at  timestamptz NOT NULL, -- how billing dated the answer that this replies to
    requested_at timestamptz NOT NULL,
    requested_by text NOT NULL CHECK (requested_by <> ''),
    reason       text NOT NULL DEFAULT '',
    published_at timestamptz,
    PRIMARY KEY (account_id, document_id, resend_id)
);
CREATE INDEX document_resends_unpublished ON document_resends (posting, resend_id) WHERE published_at IS NULL;

-- Documents that billing has rejected and that finance has settled by hand.
CREATE TABLE document_write_offs (
    account_id     bigint NOT NULL,
    document_id    uuid NOT NULL,
    written_off_at timestamptz NOT NULL,
    written_off_by text NOT NULL CHECK (written_off_by <> ''),
    reason         text NOT NULL CHECK (reason <> ''),
    PRIMARY KEY (account_id, document_id)
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

-- A message that was set aside stays one dead letter, whatever is done about it.
-- value is what was set aside first, corrected what was put back last instead of
-- it; reason and detail are the first fault, the latest ones that of a replay.
CREATE TABLE dead_letters (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic         text NOT NULL,
    partition     integer NOT NULL,
    "offset"      bigint NOT NULL,
    key           bytea,
    value         bytea,
    headers       jsonb NOT NULL,
    sent_at       timestamptz NOT NULL,
    event_type    text NOT NULL DEFAULT '',
    reason        text NOT NULL,
    detail        text NOT NULL,
    set_aside_at  timestamptz NOT NULL,
    published_at  timestamptz,
    replayed_at   timestamptz,
    state         text COLLATE "C" NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'replayed', 'resolved', 'discarded')),
    corrected     bytea,
    latest_reason text,
    latest_detail text,
    UNIQUE (topic, partition, "offset", sent_at)
);
CREATE INDEX dead_letters_unpublished ON dead_letters (id) WHERE published_at IS NULL;
CREATE INDEX dead_letters_waiting ON dead_letters (id) WHERE state = 'waiting';
CREATE INDEX dead_letters_final ON dead_letters (set_aside_at) WHERE state IN ('resolved', 'discarded') AND published_at IS NOT NULL;

-- What became of messages that were put back. Who did it, and why, is in
-- operator_actions.
CREATE TABLE dead_letter_outcomes (
    dead_letter_id bigint NOT NULL,
    topic          text NOT NULL, -- these four are the place of the message that was put back
    partition      integer NOT NULL,
    "offset"       bigint NOT NULL,
    sent_at        timestamptz NOT NULL,
    at             timestamptz NOT NULL,
    taken          boolean NOT NULL,
    reason         text NOT NULL DEFAULT '',
    detail         text NOT NULL DEFAULT '',
    PRIMARY KEY (dead_letter_id, topic, partition, "offset", sent_at)
);

-- What the terms were when the discounts were last derived.
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

-- What the brokers call the topics that are read. A topic that is deleted and
-- made again has another id; a broker that deletes one may forget the group's
-- offsets, so this is what still tells.
CREATE TABLE topic_ids (
    topic    text COLLATE "C" PRIMARY KEY,
    topic_id text NOT NULL,
    seen_at  timestamptz NOT NULL
);

-- Who is signed in to the personal account. A session is looked up at every
-- request by the one thing that the browser shows, so its key is not the account.
-- id is the SHA-256 of the browser's token, hint is sealed with that token: a copy
-- of this table lets nobody in and names nobody.
CREATE TABLE sessions (
    id         bytea PRIMARY KEY CHECK (length(id) = 32),
    account_id bigint NOT NULL CHECK (account_id > 0),
    hint       bytea NOT NULL,
    created_at timestamptz NOT NULL,
    seen_at    timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at <= ends_at),
    ends_at    timestamptz NOT NULL
);
CREATE INDEX sessions_expired ON sessions (expires_at);

-- Who takes part in the programme without having entered a code.
CREATE TABLE memberships (
    account_id bigint PRIMARY KEY,
    entered_at timestamptz NOT NULL
);

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

-- Requests that may be repeated, with their answers (Idempotency-Key). One without
-- an answer is being answered by the process that claimed it last.
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

-- Invitations, which are also the outbox of their sender. The token of the
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
    -- Whether an invitation that waits may have gone out already, by its carrier. Then
    -- no other carrier sends it: only those who read behind this one drop a repeat.
    in_doubt      boolean NOT NULL DEFAULT false,
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
-- Addresses are forgotten after some time: this finds those that are left, the
-- oldest first, however many invitations there have ever been.
CREATE INDEX invitations_remembered ON invitations (created_at) WHERE recipient <> '';
-- What is deleted because of its age is found by an index, the oldest first.
CREATE INDEX invitations_forgotten ON invitations (created_at) WHERE recipient = '';

-- How many a client has sent on a day. The row is also the lock under which the
-- client's next one is taken on.
CREATE TABLE invitation_days (
    account_id bigint NOT NULL,
    day        date NOT NULL,
    taken      integer NOT NULL,
    PRIMARY KEY (account_id, day)
);
CREATE INDEX invitation_days_by_day ON invitation_days (day);

-- Everyone who was ever written to, known by a digest alone: the last day on which
-- that was, and whether they want no more. One row, so that a day's only invitation
-- and an opt-out at the same moment wait for each other.
CREATE TABLE recipients (
    recipient_key bytea PRIMARY KEY,
    invited_on    date NOT NULL,
    opted_out_at  timestamptz
);
CREATE INDEX recipients_by_day ON recipients (invited_on) WHERE opted_out_at IS NULL;

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

-- Finance's signatures under periods, with the totals that were signed. Only ever
-- added to: a period that was reopened and closed again has several, and the newest
-- counts.
CREATE TABLE signatures (
    signature_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    period            integer NOT NULL,
    at                timestamptz NOT NULL,
    who               text NOT NULL CHECK (who <> ''),
    reason            text NOT NULL DEFAULT '',
    override_reason   text NOT NULL DEFAULT '', -- why it was closed in spite of the objections
    objections        text NOT NULL DEFAULT '', -- a line each
    last_run          bigint NOT NULL,          -- what later runs post to the period's documents is a correction
    foreign_documents bigint NOT NULL,          -- posted into the period for closed ones
    foreign_amount    bigint NOT NULL
);
CREATE INDEX signatures_by_period ON signatures (period, signature_id);

CREATE TABLE signed_totals (
    signature_id     bigint NOT NULL,
    kind             text COLLATE "C" NOT NULL,
    percent          integer NOT NULL, -- of a discount, or the size of a package
    currency         text COLLATE "C" NOT NULL,
    entitled_count   bigint NOT NULL,
    entitled_amount  bigint NOT NULL,
    posted_count     bigint NOT NULL,
    posted_amount    bigint NOT NULL,
    published_count  bigint NOT NULL,
    published_amount bigint NOT NULL,
    answered_count   bigint NOT NULL,
    answered_amount  bigint NOT NULL,
    written_off_count  bigint NOT NULL,
    written_off_amount bigint NOT NULL,
    PRIMARY KEY (signature_id, kind, percent, currency)
);

-- The n-th field of a line of invoices.lines or adjustments.items.
CREATE FUNCTION packed_field(line text, n integer) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT replace(replace(replace(split_part(line, E'\t', n), '\t', E'\t'), '\n', E'\n'), '\b', '\')
$$;

-- One row a line of every revision of every invoice. line_no counts from 1.
CREATE VIEW invoice_lines AS
SELECT i.account_id, i.storage_period, i.period, i.invoice_id, i.revision,
    NOT EXISTS (SELECT FROM invoices later WHERE later.storage_period = i.storage_period AND later.account_id = i.account_id
        AND later.invoice_id = i.invoice_id AND later.revision > i.revision) AS latest,
    i.currency, l.no::integer AS line_no,
    packed_field(l.line, 1) AS line_id, packed_field(l.line, 2) AS service,
    first_day + coalesce(nullif(split_part(days, '/', 1), '')::integer, 0) AS from_day,
    coalesce(first_day + nullif(split_part(days, '/', 2), '')::integer, (first_day + interval '1 month')::date) AS to_day,
    split_part(l.line, E'\t', 3)::bigint AS amount_minor
FROM invoices i
    CROSS JOIN LATERAL unnest(string_to_array(i.lines, E'\n')) WITH ORDINALITY AS l (line, no)
    CROSS JOIN LATERAL (SELECT split_part(l.line, E'\t', 4) AS days,
        (date '2000-01-01' + make_interval(months => (i.period / 100 - 2000) * 12 + i.period % 100 - 1))::date AS first_day) d;

-- One row an item of every document of the ledger.
CREATE VIEW adjustment_items AS
SELECT a.account_id, a.storage_period, a.period, a.posting_period, a.invoice_id, a.sequence, a.adjustment_id, a.currency, a.posted_at,
    i.line_id, i.service, i.amount_minor, CASE i.segments WHEN '-' THEN '' ELSE i.segments END AS segments
FROM adjustments a CROSS JOIN LATERAL (
    SELECT packed_field(line, 1) AS line_id, packed_field(line, 2) AS service, split_part(line, E'\t', 3)::bigint AS amount_minor,
        first_value(split_part(line, E'\t', 4)) OVER (PARTITION BY part ORDER BY no) AS segments
    FROM (SELECT line, no, count(*) FILTER (WHERE split_part(line, E'\t', 4) <> '') OVER (ORDER BY no) AS part
        FROM unnest(string_to_array(a.items, E'\n')) WITH ORDINALITY AS u (line, no)) parts
) i;

-- +goose StatementBegin
CREATE FUNCTION ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only: % on % is refused; post a correction instead', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE FUNCTION history_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;
-- +goose StatementEnd
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON adjustments
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON sms_packages
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON results
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON operator_actions
    FOR EACH STATEMENT EXECUTE FUNCTION history_is_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON signatures
    FOR EACH STATEMENT EXECUTE FUNCTION history_is_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON signed_totals
    FOR EACH STATEMENT EXECUTE FUNCTION history_is_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON document_write_offs
    FOR EACH STATEMENT EXECUTE FUNCTION history_is_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OF account_id, document_id, posting, rejected_at, requested_at, requested_by, reason OR DELETE OR TRUNCATE
    ON document_resends FOR EACH STATEMENT EXECUTE FUNCTION history_is_append_only();
-- The triggers hold for everyone, the owner included; this holds for roles that
-- could switch a trigger off.
REVOKE UPDATE, DELETE, TRUNCATE ON adjustments, sms_packages, results, operator_actions, signatures, signed_totals, document_write_offs
    FROM CURRENT_USER;
REVOKE DELETE, TRUNCATE ON document_resends FROM CURRENT_USER;
