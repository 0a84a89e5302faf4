package notify

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"referral/models"
)

// What was being done when an attempt at the database failed.
const (
	doingQueue   = "reading the queue"
	doingRelease = "giving up the claims of dead senders"
	doingClaim   = "claiming invitations"
	doingOutcome = "noting what became of invitations"
	doingReceipt = "noting receipts"
	doingRound   = "sending a round of invitations"
)

type metrics struct {
	messages  *prometheus.CounterVec
	receipts  *prometheus.CounterVec
	abandoned *prometheus.CounterVec
	errors    *prometheus.CounterVec
	queue     *prometheus.GaugeVec
	oldest    *prometheus.GaugeVec
	readAt    *prometheus.GaugeVec // without labels: it is not there before the queue was read
	channels  []models.Channel
}

func newMetrics(reg prometheus.Registerer, n *Notifier) *metrics {
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
		channels:  []models.Channel{models.Email, models.SMS},
	}
	for _, c := range n.options.Transports {
		n.showReachability(auto, c)
	}
	m.begin(n.options.Transports)
	return m
}

// begin has every counter begin at 0: one that is not there until something happens
// raises no alarm when it does.
func (m *metrics) begin(transports []Transport) {
	for _, c := range transports {
		for _, outcome := range []string{outcomeSent, outcomeRefused, outcomePutOff, outcomeGivenUp, outcomeAway, outcomeUnknown} {
			m.messages.WithLabelValues(string(c.Channel), c.Name, outcome)
		}
		if _, ok := c.Sender.(Connected); ok {
			for _, state := range []models.InvitationState{models.InvitationDelivered, models.InvitationFailed} {
				m.receipts.WithLabelValues(c.Name, string(state))
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

// showReachability makes a gauge that is 0 while a transport cannot be reached.
func (n *Notifier) showReachability(auto promauto.Factory, c Transport) {
	name := n.newChannelWorker(c).name()
	auto.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "referral", Subsystem: "notify", Name: "transport_up", Help: "Whether the transport of a channel can be reached: 1 or 0.",
		ConstLabels: prometheus.Labels{"channel": string(c.Channel), "transport": c.Name},
	}, func() float64 {
		if n.health.Fails(name) {
			return 0
		}
		return 1
	})
}

func (m *metrics) setQueues(queues []models.InvitationQueue, now time.Time) {
	by := map[models.Channel]models.InvitationQueue{}
	for _, q := range queues {
		by[q.Channel] = q
	}
	for _, channel := range m.channels {
		q := by[channel]
		m.queue.WithLabelValues(string(channel), "waiting").Set(float64(q.Waiting))
		m.queue.WithLabelValues(string(channel), "claimed").Set(float64(q.InHand))
		age := time.Duration(0)
		if !q.Oldest.IsZero() {
			age = now.Sub(q.Oldest)
		}
		m.oldest.WithLabelValues(string(channel)).Set(age.Seconds())
	}
	m.readAt.WithLabelValues().Set(float64(now.Unix()))
}
