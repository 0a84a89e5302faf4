-- +goose Up
-- A message that was set aside stays one dead letter, whatever is done about it.
-- value is what was set aside first, corrected what was put back last instead of
-- it; reason and detail are the first fault, the latest ones that of a replay.
ALTER TABLE dead_letters
    ADD event_type text NOT NULL DEFAULT '',
    ADD state text COLLATE "C" NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'replayed', 'resolved', 'discarded')),
    ADD corrected bytea,
    ADD latest_reason text,
    ADD latest_detail text;
UPDATE dead_letters SET state = 'replayed' WHERE replayed_at IS NOT NULL;
CREATE INDEX dead_letters_waiting ON dead_letters (id) WHERE state = 'waiting';

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

-- +goose Down
DROP TABLE dead_letter_outcomes;
DROP INDEX dead_letters_waiting;
ALTER TABLE dead_letters DROP event_type, DROP state, DROP corrected, DROP latest_reason, DROP latest_detail;
