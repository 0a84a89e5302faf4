// Package publisher publishes the documents of the ledger (adjustments and SMS
// packages), the events for CRM and notifications, and the dead letters.
//
// Delivery is at least once and in order per account. Order holds because a
// message is sent only after every earlier one of its partition has been
// acknowledged by all in-sync replicas, and because one replica publishes at a
// time. Something is marked as published only after that acknowledgement.
package publisher
