package e2e

import (
	"testing"

	"referral/test/reference"
)

func TestConcurrentActivationsOfOneInviter(t *testing.T) {
	const inviter, friends = int64(885), int64(20)
	w := newWorld(t)
	m := newMirror(w)
	w.serve()
	w.serve() // two replicas share the partitions

	m.send(registration(inviter, "2026-01-10T09:00:00Z"), invoice(inviter, 300_000))
	for friend := int64(1); friend <= friends; friend++ {
		m.send(registration(friend, "2026-03-01T09:00:00Z"))
	}
	w.learnCodes(inviter)
	var atOnce []message
	for friend := int64(1); friend <= friends; friend++ {
		atOnce = append(atOnce, activation(friend, w.codes[inviter], "2026-03-11T12:00:00+03:00"), promoEnd(friend, "2026-03-11T00:00:00+03:00"))
	}
	m.send(atOnce...)
	w.drained()
	m.run("2026-03")
	w.check("after twenty friends", m.wanted())

	differ(w, "packages", m.model.Packages(), map[reference.Package]int{{AccountID: inviter, SMS: 1200}: 1, {AccountID: inviter, SMS: 3200}: 1})
	// 21 of 31 days at 100 %, and no percent before.
	line := reference.Line{InvoiceID: "INV-2026-03-885", LineID: "1"}
	if got := w.outsideLines()[line]; got != -203226 {
		t.Errorf("the inviter's discount is %d, want -203226", got)
	}
	if got := len(heard[outboxEvent](w, "events", "referral.activated.v1")); got != int(friends) {
		t.Errorf("%d activations announced, want %d", got, friends)
	}
}
