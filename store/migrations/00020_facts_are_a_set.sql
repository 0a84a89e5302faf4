-- +goose Up
-- A fact is identified by what it says, so nothing has to be remembered of the
-- events that brought it. Where it came from is kept beside it, packed: as varints
-- the number of the topic, the partition and the offset of the message, or a zero
-- and the 16 bytes of the key of a request at the personal account; then the
-- time in milliseconds. `referral explain` shows it.
DROP TABLE inbox;
CREATE TABLE topics (
    topic_no integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name     text COLLATE "C" NOT NULL UNIQUE
);

ALTER TABLE accounts
    DROP profile_event,
    ADD registered_provenance bytea,
    ADD promo_ended_provenance bytea,
    ADD terminated_provenance bytea,
    ADD profile_provenance bytea;

ALTER TABLE activations
    DROP CONSTRAINT activations_pkey,
    DROP event_key,
    ADD provenance bytea,
    ADD PRIMARY KEY (account_id, requested_at, code);

ALTER TABLE invoices DROP digest, DROP taken_at, ADD provenance bytea;

-- The key is that of the answer. It has no account, which the message may not name.
ALTER TABLE results
    DROP CONSTRAINT results_pkey,
    DROP event_key,
    ADD provenance bytea,
    ADD PRIMARY KEY (adjustment_id, at, status);

-- +goose Down
ALTER TABLE results
    DROP CONSTRAINT results_pkey,
    DROP provenance,
    ADD event_key uuid NOT NULL DEFAULT gen_random_uuid(),
    ADD PRIMARY KEY (adjustment_id, account_id, event_key);
ALTER TABLE invoices
    DROP provenance,
    ADD digest uuid NOT NULL DEFAULT gen_random_uuid(),
    ADD taken_at timestamptz NOT NULL DEFAULT now();
ALTER TABLE activations
    DROP CONSTRAINT activations_pkey,
    DROP provenance,
    ADD event_key uuid NOT NULL DEFAULT gen_random_uuid(),
    ADD PRIMARY KEY (account_id, seq);
ALTER TABLE accounts
    DROP registered_provenance,
    DROP promo_ended_provenance,
    DROP terminated_provenance,
    DROP profile_provenance,
    ADD profile_event text COLLATE "C" NOT NULL DEFAULT '';
DROP TABLE topics;
CREATE TABLE inbox (
    event_key  uuid NOT NULL,
    account_id bigint NOT NULL,
    digest     uuid NOT NULL,
    taken_at   timestamptz NOT NULL,
    PRIMARY KEY (event_key, account_id)
);
