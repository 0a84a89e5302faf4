package notify

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"referral/models"
)

type metrics struct {
	messages  *prometheus.CounterVec
	receipts  *prometheus.CounterVec
	abandoned *prometheus.CounterVec
	errors    *prometheus.CounterVec
	queue     *prometheus.GaugeVec
	oldest    *prometheus.GaugeVec
	channels  []models.Channel
}

func newMetrics(reg prometheus.Registerer, n *Notifier) (*metrics, error) {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "referral", Subsystem: "notify", Name: name, Help: help}, labels)
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "referral", Subsystem: "notify", Name: name, Help: help}, labels)
	}
	m := &metrics{
		messages: counter("messages_total", "Attempts to send an invitation, by what became of them: sent, refused, put_off, given_up, away or unknown.",
			"channel", "carrier", "outcome"),
		receipts:  counter("receipts_total", "Carriers' later words about messages sent: delivered or failed.", "carrier", "state"),
		abandoned: counter("abandoned_total", "Invitations whose sender died with them in hand; they are not sent again.", "channel"),
		errors:    counter("errors_total", "Failed attempts at the database that are repeated.", "doing"),
		queue:     gauge("queue", "Invitations that wait to be sent, and those in a sender's hands.", "channel", "state"),
		oldest:    gauge("oldest_age_seconds", "Age of the oldest invitation that waits to be sent.", "channel"),
		channels:  []models.Channel{models.Email, models.SMS},
	}
	collectors := []prometheus.Collector{m.messages, m.receipts, m.abandoned, m.errors, m.queue, m.oldest}
	for _, c := range n.options.Carriers {
		collectors = append(collectors, n.reachability(c))
		for _, outcome := range []string{outcomeSent, outcomeRefused, outcomePutOff, outcomeGivenUp, outcomeAway, outcomeUnknown} {
			m.messages.WithLabelValues(string(c.Channel), c.Name, outcome)
		}
	}
	for _, c := range collectors {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("notify: registering metrics: %w", err)
		}
	}
	return m, nil
}

// reachability is a gauge that is 0 while a carrier cannot be reached.
func (n *Notifier) reachability(c Carrier) prometheus.Collector {
	name := n.newLane(c).name()
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "referral", Subsystem: "notify", Name: "carrier_up", Help: "0 while the carrier of a channel cannot be reached.",
		ConstLabels: prometheus.Labels{"channel": string(c.Channel), "carrier": c.Name},
	}, func() float64 {
		if n.trouble.Fails(name) {
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
		m.queue.WithLabelValues(string(channel), "in_hand").Set(float64(q.InHand))
		age := time.Duration(0)
		if !q.Oldest.IsZero() {
			age = now.Sub(q.Oldest)
		}
		m.oldest.WithLabelValues(string(channel)).Set(age.Seconds())
	}
}
