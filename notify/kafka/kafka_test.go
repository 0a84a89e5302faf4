package kafka

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"referral/internal/sleep"
	"referral/models"
	"referral/test/asyncapi"
	"referral/test/kafkatest"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newTopic creates a topic for one test.
func newTopic(t testing.TB, partitions int, configs ...kafka.ConfigEntry) string {
	t.Helper()
	name := "notify-test-" + rand.Text()
	kafkatest.Create(t, partitions, configs, name)
	return name
}

func anInvitation(account int64) *models.InvitationMessage {
	return &models.InvitationMessage{
		ID: models.UUID{1, byte(account)}, AccountID: account, Channel: models.Email, Recipient: "friend@example.com", Code: "K7M2XQ9PR",
		Link: "https://lk.example.ru/referral?code=K7M2XQ9PR", OptOutLink: "https://lk.example.ru/referral/opt-out/TOKEN",
		Subject: "Скидка 20%", Text: "Ваш код: K7M2XQ9PR", CreatedAt: time.Unix(1777626000, 0),
	}
}

func sender(t testing.TB, topic string, change ...func(*Options)) *Sender {
	t.Helper()
	o := Options{Brokers: []string{kafkatest.Address(t)}, Topic: topic, Now: time.Now}
	for _, c := range change {
		c(&o)
	}
	s, err := New(o)
	must(t, err)
	return s
}

// settled retries, because a new topic has no leader yet.
func settled(t testing.TB, s *Sender, m *models.InvitationMessage) ([]string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		ids, err := s.Send(ctx, m)
		if !errors.Is(err, models.ErrTransportUnreachable) || !sleep.For(ctx, 50*time.Millisecond) {
			return ids, err
		}
	}
}

// An invitation has the format of the contract, the partition of its account, and the
// same id when it is written again.
func TestSend(t *testing.T) {
	contract, err := asyncapi.Load("../../asyncapi.yaml")
	must(t, err)
	const partitions = 6
	topic := newTopic(t, partitions)
	n := sender(t, topic)
	places := map[string]bool{}
	for _, account := range []int64{885, 901, 885} {
		ids, err := settled(t, n, anInvitation(account))
		must(t, err)
		if len(ids) != 1 || !strings.HasPrefix(ids[0], topic+"/") {
			t.Errorf("the ids are %q", ids)
		}
		places[ids[0]] = true
	}
	if len(places) != 3 {
		t.Errorf("the places are %v", places)
	}
	records := kafkatest.Read(t, topic, partitions)
	ids := map[string][]string{}
	for _, r := range records {
		var event struct{ ID string }
		must(t, json.Unmarshal(r.Value, &event))
		ids[string(r.Key)] = append(ids[string(r.Key)], event.ID)
	}
	if len(ids["885"]) != 2 || ids["885"][0] != ids["885"][1] || len(ids["901"]) != 1 {
		t.Errorf("the ids are %v", ids)
	}
	partitionOf := map[string]int{}
	for _, r := range records {
		if before, there := partitionOf[string(r.Key)]; there && before != r.Partition {
			t.Errorf("account %s is on two partitions", r.Key)
		}
		partitionOf[string(r.Key)] = r.Partition
		headers := map[string]string{}
		for _, h := range r.Headers {
			headers[h.Key] = string(h.Value)
		}
		must(t, contract.Validate(asyncapi.Message{Topic: "referral.notifications", Key: string(r.Key), Headers: headers, Value: r.Value}))
	}
	var event struct{ Data map[string]any }
	must(t, json.Unmarshal(records[0].Value, &event))
	if event.Data["recipient"] != "friend@example.com" || event.Data["text"] != "Ваш код: K7M2XQ9PR" {
		t.Errorf("the data is %v", event.Data)
	}
}

// Only an error of the message itself is a refusal.
func TestErrors(t *testing.T) {
	small := newTopic(t, 1, kafka.ConfigEntry{ConfigName: "max.message.bytes", ConfigValue: "2000"})
	if _, err := settled(t, sender(t, small), anInvitation(885)); err != nil {
		t.Fatalf("a message that fits: %v", err)
	}
	for name, c := range map[string]struct {
		sender *Sender
		text   string
		want   error
	}{
		"no such topic": {sender(t, "notify-test-"+rand.Text()), "x", models.ErrTransportUnreachable},
		"no broker":     {sender(t, small, func(o *Options) { o.Brokers = []string{"127.0.0.1:1"} }), "x", models.ErrTransportUnreachable},
		"too large":     {sender(t, small), strings.Repeat("x", 5000), models.ErrMessageRefused},
	} {
		t.Run(name, func(t *testing.T) {
			m := anInvitation(885)
			m.Text = c.text
			ids, err := c.sender.Send(t.Context(), m)
			if len(ids) != 0 || !errors.Is(err, c.want) || strings.Contains(err.Error(), "friend@") {
				t.Errorf("got %q, %v, want %v", ids, err, c.want)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := sender(t, small).Send(ctx, anInvitation(885)); !errors.Is(err, models.ErrTransportUnreachable) {
		t.Errorf("at the end: %v", err)
	}
}

func TestRequiredOptions(t *testing.T) {
	_, err := New(Options{})
	for _, name := range []string{"Brokers", "Topic", "Now"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v does not name %s", err, name)
		}
	}
}
