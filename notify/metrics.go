package notify

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"referral/models"
)

// Operations on the database that may fail.
const (
	doingQueue   = "reading the queue"
	doingRelease = "releasing abandoned claims"
	doingClaim   = "claiming invitations"
	doingOutcome = "recording outcomes"
	doingReceipt = "recording receipts"
	doingRound   = "sending invitations"
)

type metrics struct {
	messages  *prometheus.CounterVec
	receipts  *prometheus.CounterVec
	abandoned *prometheus.CounterVec
	errors    *prometheus.CounterVec
	queue     *prometheus.GaugeVec
	oldest    *prometheus.GaugeVec
	readAt    *prometheus.GaugeVec // without labels: absent until the queue was read
	up        *prometheus.GaugeVec
	channels  []models.Channel
}

func newMetrics(reg prometheus.Registerer, transports []Transport) *metrics {
	auto := promauto.With(reg)
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return auto.NewCounterVec(prometheus.CounterOpts{Namespace: "referral", Subsystem: "notify", Name: name, Help: help}, labels)
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return auto.NewGaugeVec(prometheus.GaugeOpts{Namespace: "referral", Subsystem: "notify", Name: name, Help: help}, labels)
	}
	m := &metrics{
		messages: counter("send_attempts_total", "Attempts to send an invitation, by outcome: sent, refused, deferred, expired, unreachable or unknown.",
			"channel", "transport", "outcome"),
		receipts:  counter("delivery_receipts_total", "Delivery receipts for messages that were sent, by state: delivered or failed.", "transport", "state"),
		abandoned: counter("abandoned_invitations_total", "Invitations whose sender stopped before it noted the outcome. They are not sent again.", "channel"),
		errors:    counter("errors_total", "Failed operations that are retried.", "operation"),
		queue:     gauge("queue_invitations", "Invitations in the queue, by state: waiting to be sent, or claimed by a sender.", "channel", "state"),
		oldest:    gauge("queue_oldest_age_seconds", "Age of the oldest invitation that waits to be sent, when the queue was last read.", "channel"),
		readAt:    gauge("queue_timestamp_seconds", "When the queue was last read from the database."),
		up:        gauge("transport_up", "Whether the transport of a channel can be reached: 1 or 0.", "channel", "transport"),
		channels:  []models.Channel{models.Email, models.SMS},
	}
	m.initialise(transports)
	return m
}

// initialise creates every counter at 0: one that appears only with its first event
// raises no alert for that event.
func (m *metrics) initialise(transports []Transport) {
	for _, t := range transports {
		m.setReachable(t, true)
		for _, outcome := range []string{outcomeSent, outcomeRefused, outcomeDeferred, outcomeExpired, outcomeUnreachable, outcomeUnknown} {
			m.messages.WithLabelValues(string(t.Channel), t.Name, outcome)
		}
		if _, ok := t.Sender.(Connected); ok {
			for _, state := range []models.InvitationState{models.InvitationDelivered, models.InvitationFailed} {
				m.receipts.WithLabelValues(t.Name, string(state))
			}
		}
	}
	for _, channel := range m.channels {
		m.abandoned.WithLabelValues(string(channel))
	}
	for _, doing := range []string{doingQueue, doingRelease, doingClaim, doingOutcome, doingReceipt, doingRound} {
		m.errors.WithLabelValues(doing)
	}
}

func (m *metrics) setReachable(t Transport, reachable bool) {
	value := 0.0
	if reachable {
		value = 1
	}
	m.up.WithLabelValues(string(t.Channel), t.Name).Set(value)
}

func (m *metrics) setQueues(queues []models.InvitationQueue, now time.Time) {
	by := map[models.Channel]models.InvitationQueue{}
	for _, q := range queues {
		by[q.Channel] = q
	}
	for _, channel := range m.channels {
		q := by[channel]
		m.queue.WithLabelValues(string(channel), "waiting").Set(float64(q.Waiting))
		m.queue.WithLabelValues(string(channel), "claimed").Set(float64(q.Claimed))
		age := time.Duration(0)
		if !q.Oldest.IsZero() {
			age = now.Sub(q.Oldest)
		}
		m.oldest.WithLabelValues(string(channel)).Set(age.Seconds())
	}
	m.readAt.WithLabelValues().Set(float64(now.Unix()))
}
