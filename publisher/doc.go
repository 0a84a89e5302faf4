// Package publisher sends out what the programme has decided: the documents of
// the ledger (adjustments and SMS packages), the announcements for CRM and
// notifications, and the messages that were set aside.
//
// Delivery is at least once and in order per account. Order holds because a
// message is sent only after every earlier one of its partition has been
// acknowledged by all in-sync replicas, and because one replica publishes at a
// time. Something is marked as published only after that acknowledgement.
package publisher
