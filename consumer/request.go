package consumer

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The newest versions of the requests whose answers are understood here.
const (
	newestMetadata    = 12
	newestListOffsets = 7
	newestFetch       = 16
)

// mostAnswered bounds one answer of a broker, as brokers bound a request.
const mostAnswered = 100 << 20

// topicID is what a broker calls a topic: another one when it is deleted and
// made again. It is zero when the broker is too old to have any.
type topicID [16]byte

func (id topicID) known() bool { return id != topicID{} }

// String writes the id as Kafka's own tools do.
func (id topicID) String() string {
	if !id.known() {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(id[:])
}

// parseTopicID is zero when the text is not an id.
func parseTopicID(s string) topicID {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) != len(topicID{}) {
		return topicID{}
	}
	return topicID(b)
}

// requester asks a broker what kafka-go has no requests for: the ids of topics,
// and committed records only.
type requester struct {
	conn    net.Conn
	answers *bufio.Reader
	timeout time.Duration
	format  *kmsg.RequestFormatter
	newest  map[int16]int16 // version that the broker understands, by key of the request
	asked   int32
}

// requester connects to a broker.
func (c *Consumer) requester(ctx context.Context, connections *connections, address string) (*requester, error) {
	conn, err := connections.stream(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("connecting to the broker %s: %w", address, err)
	}
	q := &requester{
		conn: conn, answers: bufio.NewReader(conn), timeout: c.o.Timing.AnswerTimeout, newest: map[int16]int16{},
		format: kmsg.NewRequestFormatter(kmsg.FormatterClientID(connections.base.ClientID)),
	}
	if err := q.learnVersions(); err != nil {
		q.close()
		return nil, fmt.Errorf("asking the broker %s for its versions: %w", address, err)
	}
	return q, nil
}

func (q *requester) close() { _ = q.conn.Close() }

func (q *requester) learnVersions() error {
	answer := kmsg.NewPtrApiVersionsResponse()
	if err := q.exchange(kmsg.NewPtrApiVersionsRequest(), answer, 0); err != nil {
		return err
	}
	for _, key := range answer.ApiKeys {
		q.newest[key.ApiKey] = key.MaxVersion
	}
	return brokerError(answer.ErrorCode)
}

// exchange sends a request and reads its answer, which the broker may withhold
// for a while beyond the usual patience.
func (q *requester) exchange(request kmsg.Request, answer kmsg.Response, withheld time.Duration) error {
	// Sockets go by the real clock.
	if err := q.conn.SetDeadline(time.Now().Add(withheld + q.timeout)); err != nil {
		return fmt.Errorf("setting a deadline: %w", err)
	}
	q.asked++
	if _, err := q.conn.Write(q.format.AppendRequest(nil, request, q.asked)); err != nil {
		return err
	}
	body, err := q.read()
	if err != nil {
		return err
	}
	if body, err = q.withoutHeader(request, body); err != nil {
		return err
	}
	answer.SetVersion(request.GetVersion())
	return answer.ReadFrom(body)
}

// read takes one answer off the connection, into memory of its own: the records
// in it are not copied again.
func (q *requester) read() ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(q.answers, size[:]); err != nil {
		return nil, err
	}
	n := int32(binary.BigEndian.Uint32(size[:]))
	if n < 4 || n > mostAnswered {
		return nil, fmt.Errorf("the broker announces an answer of %d bytes; is it a Kafka broker?", n)
	}
	body := make([]byte, n)
	_, err := io.ReadFull(q.answers, body)
	return body, err
}

var errGarbledAnswer = errors.New("the broker's answer does not fit the request")

// withoutHeader checks that an answer belongs to the request just sent.
func (q *requester) withoutHeader(request kmsg.Request, body []byte) ([]byte, error) {
	r := kbin.Reader{Src: body}
	if r.Int32() != q.asked {
		return nil, errGarbledAnswer
	}
	if request.IsFlexible() && request.Key() != kmsg.ApiVersions.Int16() {
		for tags := r.Uvarint(); tags > 0 && r.Ok(); tags-- {
			r.Uvarint() // its key
			r.Span(int(r.Uvarint()))
		}
	}
	if !r.Ok() {
		return nil, errGarbledAnswer
	}
	return r.Src, nil
}

// version is the newest one of a request that both sides understand.
func (q *requester) version(key kmsg.Key, newest int16) int16 {
	return min(newest, q.newest[key.Int16()])
}

// brokerError is the error that a broker answers by its code.
func brokerError(code int16) error {
	if code == 0 {
		return nil
	}
	return kafka.Error(code)
}

// leader is where a partition is led, and the id of its topic.
type leader struct {
	address string
	id      topicID
}

// leader asks for the leader of a partition.
func (q *requester) leader(of topicPartition) (leader, error) {
	request := kmsg.NewPtrMetadataRequest()
	request.SetVersion(q.version(kmsg.Metadata, newestMetadata))
	asked := kmsg.NewMetadataRequestTopic()
	asked.Topic = &of.topic
	request.Topics = append(request.Topics, asked)
	answer := kmsg.NewPtrMetadataResponse()
	if err := q.exchange(request, answer, 0); err != nil {
		return leader{}, err
	}
	if len(answer.Topics) != 1 {
		return leader{}, errGarbledAnswer
	}
	return leaderIn(answer, int32(of.partition))
}

func leaderIn(answer *kmsg.MetadataResponse, partition int32) (leader, error) {
	topic := answer.Topics[0]
	if err := brokerError(topic.ErrorCode); err != nil {
		return leader{}, err
	}
	for _, p := range topic.Partitions {
		if p.Partition != partition {
			continue
		}
		if err := brokerError(p.ErrorCode); err != nil && p.Leader < 0 {
			return leader{}, err
		}
		for _, broker := range answer.Brokers {
			if broker.NodeID == p.Leader {
				return leader{net.JoinHostPort(broker.Host, fmt.Sprint(broker.Port)), topic.TopicID}, nil
			}
		}
		return leader{}, kafka.LeaderNotAvailable
	}
	return leader{}, kafka.UnknownTopicOrPartition
}

// The places that ListOffsets is asked for.
const (
	atBeginning = -2
	atEnd       = -1
)

// offset asks a leader for the offset at the beginning or the end of a partition.
func (q *requester) offset(of topicPartition, where int64) (int64, error) {
	request := kmsg.NewPtrListOffsetsRequest()
	request.SetVersion(q.version(kmsg.ListOffsets, newestListOffsets))
	p := kmsg.NewListOffsetsRequestTopicPartition()
	p.Partition, p.Timestamp = int32(of.partition), where
	request.Topics = []kmsg.ListOffsetsRequestTopic{{Topic: of.topic, Partitions: []kmsg.ListOffsetsRequestTopicPartition{p}}}
	answer := kmsg.NewPtrListOffsetsResponse()
	if err := q.exchange(request, answer, 0); err != nil {
		return 0, err
	}
	if len(answer.Topics) != 1 || len(answer.Topics[0].Partitions) != 1 {
		return 0, errGarbledAnswer
	}
	found := answer.Topics[0].Partitions[0]
	return found.Offset, brokerError(found.ErrorCode)
}

// fetch asks a leader for the records from an offset on. By the id of the topic,
// where the broker takes it, it cannot get those of another topic of that name.
func (q *requester) fetch(of topicPartition, id topicID, offset int64, bytes int32, wait time.Duration) (*kmsg.FetchResponseTopicPartition, error) {
	request := kmsg.NewPtrFetchRequest()
	request.SetVersion(q.version(kmsg.Fetch, newestFetch))
	if !id.known() {
		request.SetVersion(min(request.GetVersion(), lastFetchByName))
	}
	request.MaxWaitMillis, request.MinBytes = int32(wait.Milliseconds()), 1
	request.IsolationLevel = readCommitted
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes = int32(of.partition), offset, bytes
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID, t.Partitions = of.topic, id, append(t.Partitions, p)
	request.Topics = append(request.Topics, t)
	answer := kmsg.NewPtrFetchResponse()
	if err := q.exchange(request, answer, wait); err != nil {
		return nil, err
	}
	if err := brokerError(answer.ErrorCode); err != nil {
		return nil, err
	}
	if len(answer.Topics) != 1 || len(answer.Topics[0].Partitions) != 1 {
		return nil, errGarbledAnswer
	}
	found := &answer.Topics[0].Partitions[0]
	return found, brokerError(found.ErrorCode)
}

const (
	lastFetchByName = 12
	readCommitted   = 1
)

// fetchesByID tells whether the broker takes the id of a topic when fetching.
func (q *requester) fetchesByID() bool {
	return q.version(kmsg.Fetch, newestFetch) > lastFetchByName
}
