package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"referral/billing"
	"referral/models"
)

func fates(list ...models.Disposition) []models.Disposition { return list }

func (l *life) expect(what string, batch []models.DecodedMessage, want ...models.Disposition) {
	l.Helper()
	if got := l.take(batch...); !slices.Equal(got, want) {
		l.Errorf("%s: %v, want %v", what, got, want)
	}
}

// asides is the messages set aside, with their reasons.
func (l *life) asides() []models.DeadLetter {
	l.Helper()
	list, err := l.UnpublishedDeadLetters(l.Context(), 1000)
	if err != nil {
		l.Fatal(err)
	}
	return list
}

// What was taken once changes nothing the second time, whole or in part, in the
// same batch or in the next.
func TestRepeatsChangeNothing(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	batch := l.deliveries(
		registered(885, "2025-06-01T09:00:00Z"), registered(900, "2026-04-01T08:00:00Z"), activated(900, 885, "2026-04-01T09:00:00Z"),
		models.PromoEnded{AccountID: 900, EndedAt: at("2026-04-15T21:00:00Z")}, april(885, 1, 300000), april(900, 1, 1000, -500),
		models.Result{AdjustmentID: billing.AdjustmentID(202604, "INV", 1), AccountID: 885, Status: models.ResultApplied, Amount: -5, At: l.now},
	)
	l.expect("the first time", append(slices.Clone(batch), batch[2]),
		models.Applied, models.Applied, models.Applied, models.Applied, models.Applied, models.Applied, models.Applied, models.Repeated)
	before := l.everything()
	l.expect("again", batch, slices.Repeat(fates(models.Repeated), len(batch))...)
	turned := april(900, 1, 1000, -500)
	slices.Reverse(turned.Lines)
	l.expect("with its lines in another order", l.deliveries(turned), models.Repeated)
	l.expect("the second half backwards", []models.DecodedMessage{batch[6], batch[5], batch[4]}, models.Repeated, models.Repeated, models.Repeated)
	if l.everything() != before {
		t.Error("a repeat has left a trace")
	}
}

// A fact is what it says, whatever event brings it: an event id that is used again
// with another body brings another fact, and the same body under another id a repeat.
func TestTheEventIsNotTheFact(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.expect("the event", []models.DecodedMessage{l.named("x", registered(885, "2026-04-01T09:00:00Z"))}, models.Applied)
	l.expect("its id with another body", []models.DecodedMessage{l.named("x", registered(885, "2026-01-01T09:00:00Z"))}, models.Applied)
	l.expect("its body with another id", []models.DecodedMessage{l.named("y", registered(885, "2026-01-01T09:00:00Z"))}, models.Repeated)
	l.expect("within a batch", []models.DecodedMessage{
		l.named("z", activated(901, 885, "2026-04-02T09:00:00Z")), l.named("z", models.Terminated{AccountID: 901, TerminatedAt: l.now}),
		l.named("v", activated(901, 885, "2026-04-02T09:00:00Z")), l.named("v", activated(901, 885, "2026-04-02T09:00:01Z")),
		l.named("w", models.Terminated{AccountID: 901, TerminatedAt: l.now.Add(time.Second)}),
	}, models.Applied, models.Applied, models.Repeated, models.Applied, models.Repeated)
	l.expect("an id of another topic", []models.DecodedMessage{l.named("x", april(885, 1, 1))}, models.Applied)
	if got := l.dump("SELECT account_id, registered_at, terminated_at FROM accounts"); got != `(885,"2026-01-01 09:00:00+00",)`+"\n"+`(901,,"2026-05-01 00:00:00+00")` {
		t.Errorf("the accounts are\n%s", got)
	}
	if n := len(l.asides()); n != 0 {
		t.Errorf("%d messages are set aside", n)
	}
}

// Of two registrations told at one moment, what they say decides, so that neither
// the order of arrival nor an event id can.
func TestProfilesOfOneMoment(t *testing.T) {
	t.Parallel()
	one, other := registered(885, "2026-04-01T09:00:00Z"), registered(885, "2026-04-01T09:00:00Z")
	one.Profile = models.Profile{Name: "Romashka", TaxID: "1", At: at("2026-04-01T09:00:00Z")}
	other.Profile = models.Profile{Name: "Romashka", TaxID: "2", At: at("2026-04-01T09:00:00Z")}
	for _, order := range [][]models.FactData{{one, other}, {other, one}, {one, other, one}} {
		l := newLife(t)
		for _, fact := range order {
			l.facts(fact)
		}
		if got := l.dump("SELECT tax_id FROM accounts"); got != "(2)" {
			t.Errorf("%v left the tax id %s", order, got)
		}
	}
}

// An answer is its document, time and status: another amount for it contradicts it,
// and all else tells it again.
func TestAnswersInConflict(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	answer := models.Result{AdjustmentID: billing.AdjustmentID(202604, "INV", 1), AccountID: 885, Status: models.ResultApplied, Amount: -5, At: l.now}
	other, rejected, later, reworded, unkeyed := answer, answer, answer, answer, answer
	other.Amount = -6
	rejected.Status = models.ResultRejected
	later.At = l.now.Add(time.Microsecond)
	reworded.Reason = "as agreed"
	unkeyed.AccountID = 0
	l.expect("the first in the batch counts", l.deliveries(answer, other, answer, rejected), models.Applied, models.DeadLettered, models.Repeated, models.Applied)
	l.expect("again", l.deliveries(other, answer, reworded, unkeyed, later), models.DeadLettered, models.Repeated, models.Repeated, models.Repeated, models.Applied)
	if got := l.dump("SELECT account_id, status, amount_minor, reason, at FROM results"); got !=
		"(885,applied,-5,\"\",\"2026-05-01 00:00:00+00\")\n(885,applied,-5,\"\",\"2026-05-01 00:00:00.000001+00\")\n(885,rejected,-5,\"\",\"2026-05-01 00:00:00+00\")" {
		t.Errorf("answers kept:\n%s", got)
	}
	for _, aside := range l.asides() {
		if aside.Err.Reason != models.BadConflict || !strings.Contains(aside.Err.Detail, "another amount") {
			t.Errorf("set aside: %+v", aside.Err)
		}
	}
}

// No order of arrival may choose between two bodies of one revision, or between
// two owners of one invoice.
func TestInvoicesInConflict(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	first := april(885, 1, 300000)
	stolen := april(901, 2, 100)
	stolen.ID = first.ID
	elsewhere := april(885, 1, 300000)
	elsewhere.Period = 202605
	l.expect("the invoice", l.deliveries(first), models.Applied)
	l.expect("the same under another event id", l.deliveries(april(885, 1, 300000)), models.Repeated)
	l.expect("another body under one event id", []models.DecodedMessage{l.named("id", april(903, 1, 1)), l.named("id", april(903, 1, 2)), l.named("id", april(903, 1, 1))},
		models.Applied, models.DeadLettered, models.Repeated)
	l.expect("and in the next batch", []models.DecodedMessage{l.named("id", april(903, 1, 2)), l.named("id", april(903, 1, 1, 0))}, models.DeadLettered, models.DeadLettered)
	l.expect("an id of two accounts in one batch", l.deliveries(owned("TWO", 904, 1, 1), owned("TWO", 905, 1, 1), owned("TWO", 904, 1, 1)),
		models.Applied, models.DeadLettered, models.Repeated)
	l.expect("the revision with another sum", []models.DecodedMessage{l.named("bad", april(885, 1, 299999))}, models.DeadLettered)
	l.expect("the revision in another month", l.deliveries(elsewhere), models.DeadLettered)
	l.expect("an id of another account's", l.deliveries(stolen), models.DeadLettered)
	l.expect("two bodies in one batch", l.deliveries(april(902, 1, 1), april(902, 1, 2), april(902, 2, 2)), models.Applied, models.DeadLettered, models.Applied)
	l.expect("the corrected one, its id is still free", []models.DecodedMessage{l.named("bad", april(885, 2, 299999))}, models.Applied)
	if got := l.dump("SELECT account_id, period, revision, (SELECT sum(amount_minor) FROM invoice_lines n WHERE (n.account_id, n.period, n.invoice_id, n.revision) = (i.account_id, i.period, i.invoice_id, i.revision)) FROM invoices i WHERE account_id < 903"); got !=
		"(885,202604,1,300000)\n(885,202604,2,299999)\n(902,202604,1,1)\n(902,202604,2,2)" {
		t.Errorf("invoices kept:\n%s", got)
	}
}

// A batch with everything in it: each delivery has its own fate, and a bad one
// harms none of the others.
func TestMixedBatch(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	known := l.fact(registered(885, "2025-06-01T09:00:00Z"))
	l.take(known, l.fact(april(885, 1, 300000)))
	unreadable := models.DecodedMessage{
		Message: models.Message{
			Origin: models.Origin{Topic: "pbx.registered", Partition: 3, Offset: 77}, At: l.now, Key: []byte{0, 255}, Value: []byte("{\x00not json\xff"),
			Headers: []models.Header{{Key: "ce_id", Value: []byte("1")}, {Key: "bad\x00key\xff", Value: []byte{0, 1, 255}}, {Key: "none"}},
		},
		Err: &models.InputError{Reason: models.BadUnreadable, Detail: "not JSON near \x00\xff"},
	}
	l.expect("the batch", []models.DecodedMessage{
		known, unreadable, l.fact(april(885, 1, 1)), l.fact(april(900, 1, 1000)), l.fact(activated(900, 885, "2026-04-01T09:00:00Z")),
		l.fact(registered(900, "2026-04-01T08:00:00Z")), unreadable, l.fact(activated(900, 900, "2026-04-02T09:00:00Z")),
	}, models.Repeated, models.DeadLettered, models.DeadLettered, models.Applied, models.Applied, models.Applied, models.DeadLettered, models.Applied)
	l.take(unreadable) // delivered again
	list := l.asides()
	if len(list) != 2 {
		t.Fatalf("%d messages set aside, want 2", len(list))
	}
	m := list[0].Message
	if fmt.Sprintf("%q", m.Headers) != fmt.Sprintf("%q", unreadable.Message.Headers) || string(m.Value) != string(unreadable.Message.Value) ||
		string(m.Key) != string(unreadable.Message.Key) || m.Origin != unreadable.Message.Origin || !m.At.Equal(l.now) {
		t.Errorf("the message came back as %+v", m)
	}
	if list[0].Err.Detail != "not JSON near \uFFFD\uFFFD" {
		t.Errorf("its fault came back as %q", list[0].Err.Detail)
	}
	if got := l.dump("SELECT status, reason, inviter_id FROM activations"); got != "(accepted,\"\",885)\n(refused,own_code,0)" {
		t.Errorf("decisions:\n%s", got)
	}
}

// Text of any kind comes through the binary COPY and the ORM as it was.
func TestTextSurvives(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	for i, text := range []string{
		`'; DROP TABLE accounts; --`, `back\slash \N \. \\`, "tab\tline\r\nend", `"quotes" $1 ? @p %s`, "Резервация «Ёж»", "😀🏳️‍🌈", "\u0001\u007f\u200b", "e\u0301", "",
	} {
		id := int64(1000 + i)
		inv := april(id, 1, 100)
		inv.ID, inv.Lines[0].ID, inv.Lines[0].Service, inv.Currency = "INV"+text, text, text, text
		r := registered(id, "2026-04-01T08:00:00Z")
		r.Profile = models.Profile{Name: text, TaxID: text, Email: text, Phone: text, PromoUntil: text, At: l.now}
		l.facts(r, inv, models.ActivationRequested{AccountID: id, Code: text, RequestedAt: l.now}, models.Result{AdjustmentID: models.UUID{byte(i)}, AccountID: id, Status: models.ResultRejected, Reason: text, At: l.now})
		d, _, err := l.AccountHistory(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if p := d.Account.Profile; p != (models.Profile{Name: text, TaxID: text, Email: text, Phone: text, PromoUntil: text, At: l.now}) {
			t.Errorf("%q: the profile came back as %q", text, p)
		}
		if got := d.Invoices[0].Invoice; fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", *inv) {
			t.Errorf("the invoice %#v came back as %#v", *inv, got)
		}
		if d.Activations[0].Code != text {
			t.Errorf("%q: the code came back as %q", text, d.Activations[0].Code)
		}
	}
	if got := l.number("SELECT count(*) FROM results WHERE reason = '😀🏳️‍🌈'"); got != 1 {
		t.Error("the reason of an answer was lost")
	}
}

// A text that the database cannot keep is refused as a fault of the data.
func TestRefusedText(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	bad := registered(885, "2026-04-01T08:00:00Z")
	bad.Profile.Name = "a\x00b"
	inv := april(900, 1, 100)
	inv.Lines[0].Service = "\xff"
	for _, data := range []models.FactData{bad, inv} {
		_, err := l.Ingest(t.Context(), l.deliveries(registered(901, "2026-04-01T08:00:00Z"), data), l.derive)
		if !errors.Is(err, models.ErrRefused) {
			t.Errorf("%T: %v, want a refusal", data, err)
		}
	}
	if n := l.number("SELECT count(*) FROM accounts"); n != 0 {
		t.Errorf("%d accounts of refused batches were kept", n)
	}
}

// Another transaction that is in the way at every try is not the message's fault: it is
// to be tried again later, not set aside.
func TestNeighbourInTheWayIsNoRefusal(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.exec("INSERT INTO codes VALUES ('CODE885', 1)")
	_, err := l.Ingest(t.Context(), l.deliveries(registered(885, "2026-04-01T08:00:00Z")), l.derive)
	if err == nil || errors.Is(err, models.ErrRefused) {
		t.Errorf("a code drawn by another: %v, want an error that is no refusal", err)
	}
}

// A batch as large as the configuration allows.
func TestHugeBatch(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.facts(registered(1, "2025-06-01T09:00:00Z"))
	var batch []models.DecodedMessage
	for id := int64(10); len(batch) < 10_000; id++ {
		batch = append(batch, l.deliveries(
			registered(id, "2026-04-01T08:00:00Z"), activated(id, 1+id%3, "2026-04-01T09:00:00Z"), april(id, 1, 100, 200),
			models.PromoEnded{AccountID: id, EndedAt: at("2026-04-15T21:00:00Z")},
		)...)
	}
	for i, fate := range l.take(batch...) {
		if fate != models.Applied {
			t.Fatalf("delivery %d: %s", i, fate)
		}
	}
	if n := l.number("SELECT count(*) FROM activations WHERE status = 'accepted'"); n < 600 {
		t.Errorf("%d activations were accepted", n)
	}
}

// Times of any zone and precision are kept to the microsecond, and days far away
// are days.
func TestExtremeValuesSurvive(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	inv := april(885, 1, models.MaxAmount, -models.MaxAmount)
	inv.Revision, inv.Lines[0].From, inv.Lines[0].To, inv.Lines[1].From = 1<<31-1, day("1970-01-01"), day("1970-12-31"), day("9999-12-31")
	inv.Lines[1].To = inv.Lines[1].From
	when := time.Date(2026, 4, 1, 0, 0, 0, 123456000, time.FixedZone("", -12*3600))
	l.facts(inv, models.PromoEnded{AccountID: 885, EndedAt: when}, models.PromoEnded{AccountID: 1<<63 - 1, EndedAt: at("9999-12-31T23:59:59Z")})
	d, found, err := l.AccountHistory(t.Context(), 885)
	if err != nil || !found {
		t.Fatal(found, err)
	}
	if got := d.Invoices[0].Invoice; fmt.Sprint(got) != fmt.Sprint(*inv) {
		t.Errorf("the invoice %v came back as %v", *inv, got)
	}
	if !d.Account.PromoEndedAt.Equal(when) {
		t.Errorf("%s came back as %s", when, d.Account.PromoEndedAt)
	}
	if d, found, err = l.AccountHistory(t.Context(), 1<<63-1); err != nil || !found || !d.Account.PromoEndedAt.Equal(at("9999-12-31T23:59:59Z")) {
		t.Errorf("the largest account came back as %+v, %t, %v", d.Account, found, err)
	}
}

// A month that no invoice has named is not known to the clock, but the package
// earned in it is a break until somebody runs the month.
func TestPackageOfAMonthWithoutInvoices(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.inviter(885, 900, 901, 902)
	l.calm()
	if found := l.breaks(202604); len(found) != 1 || found[0].Kind != billing.BreakNotPosted || found[0].AccountID != 885 {
		t.Errorf("the package owed is not named: %v", found)
	}
	l.settle(models.RunRequest{Period: 202604})
	l.tie(202604)
	if got := l.dump("SELECT account_id, sms, period, invoice_id FROM sms_packages"); got != `(885,1200,202604,"")` {
		t.Errorf("packages gone out: %s", got)
	}
}
