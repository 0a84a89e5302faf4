// Package consumer is the way in from Kafka: it fetches messages in batches,
// reads each into a fact or a fault ([Decoder]), hands the batch to the storage
// as one transaction ([Store]) and commits the offsets afterwards ([Consumer]).
//
// What arrives twice changes nothing, for the storage knows every event by its
// source and id. So every doubt here is decided towards fetching once more.
package consumer
