package publisher

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"referral/models"
)

// InvitationType is the type of the events that carry invitations.
const InvitationType = "referral.invitation.v1"

// NotifierOptions is where invitations are written to. Brokers, Topic and Now are
// required.
type NotifierOptions struct {
	Brokers   []string         // host:port
	Topic     string           // of the operator's own sender
	Transport *kafka.Transport // carries TLS and SASL, and stays the caller's to close; nil means plain text
	Source    string           // CloudEvents source; "/referral"
	Timeout   time.Duration    // of one request; 10 s
	Now       func() time.Time
}

// Notifier hands invitations to an operator that sends messages itself, by a
// topic. Receivers drop a repeated id: an invitation whose outcome is not known is
// written again.
type Notifier struct {
	options  NotifierOptions
	client   *kafka.Client
	balancer kafka.Balancer
	encoder  *Encoder
}

// NewNotifier makes a notifier. It connects to nothing yet.
func NewNotifier(o NotifierOptions) (*Notifier, error) {
	err := errors.Join(missing(len(o.Brokers) == 0, "Brokers"), missing(o.Topic == "", "Topic"), missing(o.Now == nil, "Now"))
	if err != nil {
		return nil, err
	}
	o.Timeout = cmp.Or(o.Timeout, 10*time.Second)
	n := &Notifier{
		options: o, balancer: kafka.Murmur2Balancer{}, encoder: NewEncoder(cmp.Or(o.Source, "/referral")),
		client: &kafka.Client{Addr: kafka.TCP(o.Brokers...)},
	}
	if o.Transport != nil { // a nil one in the interface would not be nil
		n.client.Transport = o.Transport
	}
	return n, nil
}

// Send writes one invitation and returns when all in-sync replicas have it. Its id
// is its place on the topic. A refusal that lies in the message wraps
// models.ErrCarrierRefuses, an attempt that wrote nothing models.ErrCarrierAway;
// every other error leaves it open whether it was written.
func (n *Notifier) Send(ctx context.Context, m *models.InvitationMessage) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, n.options.Timeout)
	defer cancel()
	key := strconv.AppendInt(nil, m.AccountID, 10)
	partition, err := n.partition(ctx, key)
	if err == nil {
		err = ctx.Err() // from here on it is on its way
	}
	if err != nil {
		return nil, n.failed(models.ErrCarrierAway, err)
	}
	place, err := n.write(ctx, partition, message{
		key: key, value: n.encoder.AppendInvitation(nil, m), headers: []kafka.Header{{Key: "content-type", Value: []byte(ContentType)}},
	})
	switch {
	case err == nil:
		return []string{place}, nil
	case refusesMessage(err):
		return nil, n.failed(models.ErrCarrierRefuses, err)
	case wroteNothing(err):
		return nil, n.failed(models.ErrCarrierAway, err)
	}
	return nil, n.failed(errInDoubt, err)
}

// errInDoubt is of none of the kinds that say what became of a message.
var errInDoubt = errors.New("nobody knows whether it was written")

// partition is where the messages of an account go, as Java's clients choose it.
func (n *Notifier) partition(ctx context.Context, key []byte) (int, error) {
	ids, err := partitionsOf(ctx, n.client, n.options.Topic)
	if err != nil {
		return 0, err
	}
	return n.balancer.Balance(kafka.Message{Key: key}, ids...), nil
}

func (n *Notifier) write(ctx context.Context, partition int, l message) (place string, err error) {
	response, err := n.client.Produce(ctx, &kafka.ProduceRequest{
		Topic: n.options.Topic, Partition: partition, RequiredAcks: kafka.RequireAll,
		Records: &records{messages: []*message{&l}, at: n.options.Now()},
	})
	if err == nil {
		err = response.Error
	}
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s/%d@%d", n.options.Topic, partition, response.BaseOffset), nil
}

func (n *Notifier) failed(kind, err error) error {
	return fmt.Errorf("publisher: writing an invitation to topic %s: %w: %w", n.options.Topic, kind, err)
}

// wroteNothing tells an error from before the message was on its way, or by which
// the broker says that it has not taken it. It errs on the side of doubt: a
// connection that breaks, and replicas that do not confirm in time, may have it.
func wroteNothing(err error) bool {
	var network *net.OpError
	var topic *protocol.TopicError // these two name no broker to ask
	var partition *protocol.TopicPartitionError
	if errors.As(err, &network) && network.Op == "dial" || errors.As(err, &topic) || errors.As(err, &partition) {
		return true
	}
	return slices.ContainsFunc([]error{
		kafka.UnknownTopicOrPartition, kafka.LeaderNotAvailable, kafka.NotLeaderForPartition, kafka.BrokerNotAvailable,
		kafka.NotEnoughReplicas, kafka.TopicAuthorizationFailed, kafka.ClusterAuthorizationFailed, kafka.SASLAuthenticationFailed,
	}, func(known error) bool { return errors.Is(err, known) })
}

// AppendInvitation appends the event of an invitation. Its id is that of the
// invitation, at every attempt.
func (e *Encoder) AppendInvitation(dst []byte, m *models.InvitationMessage) []byte {
	dst = e.appendEnvelope(dst, m.ID, InvitationType, m.CreatedAt, m.AccountID)
	dst = appendUUID(append(dst, `{"invitation_id":`...), m.ID)
	dst = appendInt(append(dst, `,"account_id":`...), m.AccountID)
	dst = appendString(append(dst, `,"channel":`...), string(m.Channel))
	dst = appendString(append(dst, `,"recipient":`...), m.Recipient)
	dst = appendString(append(dst, `,"code":`...), m.Code)
	dst = appendString(append(dst, `,"link":`...), m.Link)
	dst = appendString(append(dst, `,"opt_out_link":`...), m.OptOutLink)
	if m.Channel == models.Email {
		dst = appendString(append(dst, `,"subject":`...), m.Subject)
	}
	dst = appendString(append(dst, `,"text":`...), m.Text)
	return append(dst, "}}"...)
}
