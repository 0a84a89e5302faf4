// Package consumer is the way in from Kafka: it fetches messages in batches,
// decodes each into a fact or a fault ([decode.Decoder]), hands the batch to the storage
// as one transaction ([Store]) and commits the offsets afterwards ([Consumer]).
//
// kafka-go keeps the membership in the group and the connections. It reads neither
// committed records only nor the ids of topics, so the requests that do are
// franz-go's, on connections that kafka-go opens.
//
// What arrives twice changes nothing, because the storage knows a fact by what it
// says. So every doubt here is decided towards fetching once more.
package consumer
