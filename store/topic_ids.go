package store

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm/clause"
)

type topicIDRecord struct {
	Topic   string `gorm:"primaryKey"`
	TopicID string
	SeenAt  time.Time
}

func (topicIDRecord) TableName() string { return "topic_ids" }

// TopicIDs is what the brokers called the topics, by name, when they were read
// last.
func (s *Store) TopicIDs(ctx context.Context) (map[string]string, error) {
	var records []topicIDRecord
	if err := s.gorm.WithContext(ctx).Find(&records).Error; err != nil {
		return nil, fmt.Errorf("reading the ids of the topics: %w", err)
	}
	ids := make(map[string]string, len(records))
	for _, r := range records {
		ids[r.Topic] = r.TopicID
	}
	return ids, nil
}

// RecordTopicID keeps what the brokers call a topic now.
func (s *Store) RecordTopicID(ctx context.Context, topic, id string) error {
	return s.write(ctx, "noting the id of topic "+topic, func(tx *tx) error {
		record := topicIDRecord{Topic: topic, TopicID: id, SeenAt: tx.now}
		return tx.Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "topic"}}, UpdateAll: true}).Create(&record).Error
	})
}
