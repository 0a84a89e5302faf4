package decode

import (
	"errors"
	"fmt"
)

// Topics names the topics that are read, one for each kind of fact.
type Topics struct {
	Registered string
	PromoEnded string
	Terminated string
	Activation string
	Invoices   string
	Results    string
}

// All lists the topics.
func (t Topics) All() []string {
	return []string{t.Registered, t.PromoEnded, t.Terminated, t.Activation, t.Invoices, t.Results}
}

// Validate refuses a missing name, and one name for two kinds of fact: each
// topic carries one event type, so that nothing has to be guessed.
func (t Topics) Validate() error {
	seen := map[string]bool{}
	for _, topic := range t.All() {
		if topic == "" {
			return errors.New("topics: a topic has no name")
		}
		if seen[topic] {
			return fmt.Errorf("topics: %q is named twice", topic)
		}
		seen[topic] = true
	}
	return nil
}
