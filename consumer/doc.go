// Package consumer reads facts from Kafka: it fetches messages in batches, decodes each
// into a fact or the reason of a dead letter ([decode.Decoder]), passes the batch to the
// store as one transaction ([Store]) and commits the offsets afterwards ([Consumer]).
//
// kafka-go keeps the membership in the group and the connections. It reads neither
// committed records only nor the ids of topics, so the requests that do are
// franz-go's, on connections that kafka-go opens.
//
// A message that arrives twice changes nothing, because a fact is identified by what it
// says. So wherever it is in doubt whether a message was stored, it is fetched again.
package consumer
