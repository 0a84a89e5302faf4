// Package decode reads a Kafka message into a fact, or into the reason for which it
// becomes a dead letter ([Decoder]). It does no I/O, writes no log and keeps nothing
// of what it has read.
package decode
