package rebuild_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"referral/archive"
	"referral/billing"
	"referral/models"
	"referral/rebuild"
)

// database is a restored one, in which every request of a registered account is accepted.
type database struct {
	codes     []models.IssuedCode
	requests  map[int64][]*models.Activation
	documents []models.Published // each is taken as the next one of its invoice
	booked    []models.Result    // by billing, and not in the ledger
}

func (d *database) BookedNotPosted(context.Context) ([]models.Result, error) { return d.booked, nil }

func (d *database) RecoverDocuments(_ context.Context, _ string, all []models.Published, _ func(*models.Adjustment, []models.Discount)) (taken models.TakenDocuments, err error) {
	for _, p := range all {
		before := 0
		for _, known := range d.documents {
			if p.Adjustment != nil && known.Adjustment != nil && known.Adjustment.InvoiceID == p.Adjustment.InvoiceID {
				before++
			}
		}
		switch {
		case p.Package != nil:
			taken.Packages++
		case p.Adjustment.Sequence != before+1:
			taken.Untaken = append(taken.Untaken, models.Untaken{Published: p, Reason: "one is missing"})
			continue
		default:
			taken.Documents++
		}
		d.documents = append(d.documents, p)
	}
	return taken, nil
}

func (d *database) RecoverCodes(_ context.Context, codes []models.IssuedCode) (int64, error) {
	d.codes = append(d.codes, codes...)
	return int64(len(codes)), nil
}

func (d *database) Requests(context.Context, []int64) (map[int64][]*models.Activation, error) {
	return d.requests, nil
}

func (d *database) Ingest(_ context.Context, batch []models.DecodedMessage, _ models.DeriveFunc) ([]models.Disposition, error) {
	for _, m := range batch {
		r := m.Fact.Data.(models.ActivationRequested)
		d.requests[r.AccountID] = append(d.requests[r.AccountID], &models.Activation{AccountID: r.AccountID, Code: r.Code, RequestedAt: r.RequestedAt, Status: models.ActivationAccepted})
	}
	return nil, nil
}

// archived is an archive with the messages of the partitions of one topic.
func archived(t *testing.T, topic string, partitions ...[]string) *archive.Reader {
	t.Helper()
	directory := t.TempDir()
	w, err := archive.Create(t.Context(), directory, "id", func() {})
	if err != nil {
		t.Fatal(err)
	}
	var messages []models.DecodedMessage
	for number, values := range partitions {
		for i, value := range values {
			at := models.Origin{Topic: topic, Partition: number, Offset: int64(i)}
			messages = append(messages, models.DecodedMessage{Message: models.Message{Origin: at, Value: []byte(value)}})
		}
	}
	_, err = w.Ingest(t.Context(), messages, nil)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	r, err := archive.Open(directory)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Codes come back, and so do the requests that clients made at the personal account, once,
// with the time at which they were made. What cannot be told from the event, and what is
// refused, is named.
func TestRecover(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 4, 3, 9, 0, 0, 123456000, time.UTC)
	set := models.NewWorkingSet()
	for _, id := range []int64{1, 2} {
		set.Accounts[id] = &models.Account{ID: id, RegisteredAt: at.AddDate(0, 0, -1)}
	}
	set.Accounts[1].Code, set.Codes["AAA"] = "AAA", 1
	programme := billing.Programme{Zone: time.UTC, Versions: []billing.Terms{{WindowMonths: 1, Ladder: []billing.StepTerms{{Percent: 20, Months: 3}}}}}
	changes := programme.Derive(nil)(set, []*models.Fact{{At: at, Data: models.ActivationRequested{AccountID: 2, Code: "AAA", RequestedAt: at}}})
	id := changes.OutboxEvents[0].ID
	activated := func(id models.UUID, account int64) string {
		return fmt.Sprintf(`{"id":%q,"type":"referral.activated.v1","time":%q,"data":{"account_id":%d,"inviter_id":1,"code":"AAA","activated_on":"2026-04-03"}}`, id, at.Format(time.RFC3339Nano), account)
	}
	held := archived(t, "events", []string{
		`{"type":"referral.code-issued.v1","data":{"account_id":1,"code":"AAA"}}`, `{"type":"referral.discount-changed.v1","data":{"kind":"inviter"}}`,
		activated(id, 2), activated(id, 2), activated(id, 3), activated(id, 4),
	})
	d := &database{requests: map[int64][]*models.Activation{4: {{AccountID: 4, Code: "aaa", Status: models.ActivationRefused, Reason: models.WindowClosed}}}}
	found, err := rebuild.Recover(t.Context(), rebuild.RecoverOptions{
		Messages: rebuild.Messages{Archive: held, Progress: func(int64, int64) {}}, Database: d, Out: rebuild.OutTopics{Events: "events"},
	})
	if err != nil {
		t.Fatal(err)
	}
	day := models.NewDate(2026, 4, 3)
	want := rebuild.Recovered{Codes: 1, Requests: 1, Open: []rebuild.Acceptance{
		{AccountID: 3, InviterID: 1, Code: "AAA", On: day}, {AccountID: 4, InviterID: 1, Code: "AAA", On: day, Known: true, Reason: models.WindowClosed},
	}}
	if !reflect.DeepEqual(found, want) {
		t.Errorf("found %+v, want %+v", found, want)
	}
	if of := d.requests[2]; len(of) != 1 || !of[0].RequestedAt.Equal(at) || d.codes[0] != (models.IssuedCode{AccountID: 1, Code: "AAA"}) {
		t.Errorf("taken: %+v, %+v", d.codes, of)
	}
}
