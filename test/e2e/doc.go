// Package e2e tests the built program from the outside: its commands, its
// topics and its ledger, against a real Kafka and a real PostgreSQL. It imports
// nothing of the product but the vocabulary, and believes only what other
// systems could see.
package e2e
