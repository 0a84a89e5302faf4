package workload

import "referral/models"

// Topic is the name by which the configuration knows a topic (kafka.topics.*).
type Topic string

// The topics that carry what clients do.
const (
	Registered Topic = "registered"
	PromoEnded Topic = "promo_ended"
	Terminated Topic = "terminated"
	Activation Topic = "activation"
	Invoices   Topic = "invoices"
	Results    Topic = "results"
)

// Message is one message to be sent, and what the generator knows about it.
type Message struct {
	Topic    Topic
	Key      []byte
	Value    []byte
	Headers  []models.Header
	Expected Expected
}

// Expected is what the program must make of a message.
type Expected struct {
	AccountID int64
	Event     string          // id of the event; empty where the message has none
	Repeat    bool            // the event was or will be sent in another message
	Fault     string          // what is wrong with the message; empty for a good one
	Bad       models.BadInput // why it must become a dead letter; empty for a good one
	Decision  models.Reason   // of an activation, once everything has arrived; empty when accepted
	Lines     int             // of an invoice
}
