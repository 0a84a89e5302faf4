package consumer

import (
	"encoding/binary"
	"errors"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// fetched is the records of one fetch, read batch by batch, so that no more than
// one is held uncompressed. Records of aborted transactions are left out.
//
// franz-go reads the batches: unlike kafka-go it says where a batch ends that
// compaction has thinned, and tells control records by their batch.
type fetched struct {
	topic        string
	part         *kmsg.FetchResponseTopicPartition // of which RecordBatches is what is still to read
	decompressor kgo.Decompressor
	aborted      []kmsg.FetchResponseTopicPartitionAbortedTransaction // whose markers have not been met yet
}

func newFetched(topic string, part *kmsg.FetchResponseTopicPartition, decompressor kgo.Decompressor) *fetched {
	return &fetched{topic: topic, part: part, decompressor: decompressor, aborted: part.AbortedTransactions}
}

// The head of a batch, the same in all formats: an offset, the length of what
// follows the length, a checksum or an epoch, and the version of the format.
const (
	batchLengthAt = 8
	batchBodyAt   = 12
	batchHead     = 17
)

// cut takes the next whole batch off. A broker cuts off the last one of a fetch
// where the bytes asked for end.
func (f *fetched) cut() []byte {
	rest := f.part.RecordBatches
	if len(rest) < batchHead {
		return nil
	}
	length := int64(int32(binary.BigEndian.Uint32(rest[batchLengthAt:]))) + batchBodyAt
	if length < batchHead || length > int64(len(rest)) {
		return nil
	}
	f.part.RecordBatches = rest[length:]
	return rest[:length]
}

// next reads the next batch: its records from an offset on that count, and the
// offset behind the batch. More is false behind the last batch.
func (f *fetched) next(offset int64) (records []*kgo.Record, behind int64, more bool, err error) {
	batch := f.cut()
	if batch == nil {
		return nil, offset, false, nil
	}
	one := *f.part
	one.RecordBatches, one.AbortedTransactions = batch, f.aborted
	read, behind := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
		Offset: offset, IsolationLevel: kgo.ReadCommitted(), KeepControlRecords: true, Topic: f.topic, Partition: f.part.Partition,
	}, &one, f.decompressor, nil)
	if read.Err != nil {
		return nil, offset, false, read.Err
	}
	if len(read.Records) > 0 && read.Records[0].Attrs.IsControl() {
		f.control(read.Records[0])
		read.Records = nil
	}
	return read.Records, behind, true, nil
}

// control takes note of a transaction's end: behind the marker of an abort, what
// its producer sends belongs to another transaction. A transaction that wrote
// nothing here has a marker too, and ends none of those that begin behind it.
func (f *fetched) control(marker *kgo.Record) {
	if len(marker.Key) < 4 || marker.Key[2] != 0 || marker.Key[3] != 0 {
		return // a commit
	}
	ended := -1
	for i, t := range f.aborted {
		if t.ProducerID == marker.ProducerID && t.FirstOffset < marker.Offset && (ended < 0 || t.FirstOffset < f.aborted[ended].FirstOffset) {
			ended = i
		}
	}
	if ended >= 0 {
		f.aborted = append(f.aborted[:ended:ended], f.aborted[ended+1:]...)
	}
}

// errNoProgress is a fetch whose records do not reach the offset asked for.
var errNoProgress = errors.New("the records fetched cannot be read: they are cut off, or end before the offset asked for")
