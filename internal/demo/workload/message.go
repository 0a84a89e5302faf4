package workload

import "referral/models"

// Topic is the name by which the configuration knows a topic (kafka.topics.*).
type Topic string

// The topics on which clients' life arrives.
const (
	Registered Topic = "registered"
	PromoEnded Topic = "promo_ended"
	Terminated Topic = "terminated"
	Activation Topic = "activation"
	Invoices   Topic = "invoices"
	Results    Topic = "results"
)

// Topics is all of them.
func Topics() []Topic {
	return []Topic{Registered, PromoEnded, Terminated, Activation, Invoices, Results}
}

// DefaultName is the topic's name where the configuration says nothing else.
func (t Topic) DefaultName() string {
	switch t {
	case Registered:
		return "pbx.registered"
	case PromoEnded:
		return "pbx.promo-ended"
	case Terminated:
		return "pbx.terminated"
	case Activation:
		return "referral.activation-requested"
	case Invoices:
		return "billing.invoices"
	case Results:
		return "billing.adjustment-results"
	}
	return ""
}

// Message is one message to be sent, and what the teller of the life knows
// about it.
type Message struct {
	Topic    Topic
	Key      []byte
	Value    []byte
	Headers  []models.Header
	Expected Expected
}

// Expected is what a message means; a reader of the topics does not see it.
type Expected struct {
	AccountID int64
	Event     string          // id of the event; empty where the message has none
	Repeat    bool            // the event was or will be sent in another message
	Fault     string          // what is wrong with the message; empty for a good one
	Bad       models.BadInput // the reason with which it must be set aside; empty for a good one
	Decision  models.Reason   // of an activation, once all has arrived; empty when accepted
	Lines     int             // of an invoice
}
