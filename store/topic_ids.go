package store

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// TopicIDs is what the brokers called the topics, by name, when they were read
// last.
func (s *Store) TopicIDs(ctx context.Context) (map[string]string, error) {
	type topic struct{ Name, ID string }
	topics, err := list(ctx, s, "reading the ids of the topics", pgx.RowToStructByPos[topic], "SELECT topic, topic_id FROM topic_ids")
	ids := make(map[string]string, len(topics))
	for _, t := range topics {
		ids[t.Name] = t.ID
	}
	return ids, err
}

// RecordTopicID keeps what the brokers call a topic now.
func (s *Store) RecordTopicID(ctx context.Context, topic, id string) error {
	return s.exec(ctx, "recording the id of topic "+topic, `INSERT INTO topic_ids (topic, topic_id, seen_at) VALUES ($1, $2, $3)
		ON CONFLICT (topic) DO UPDATE SET topic_id = excluded.topic_id, seen_at = excluded.seen_at`, topic, id, s.now())
}
