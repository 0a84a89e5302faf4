-- +goose Up
-- What the brokers call the topics that are read. A topic that is deleted and
-- made again has another id; a broker that deletes one may forget the group's
-- offsets, so this is what still tells.
CREATE TABLE topic_ids (
    topic    text COLLATE "C" PRIMARY KEY,
    topic_id text NOT NULL,
    seen_at  timestamptz NOT NULL
);

-- +goose Down
DROP TABLE topic_ids;
