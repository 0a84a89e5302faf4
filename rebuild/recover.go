package rebuild

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"referral/archive"
	"referral/billing"
	"referral/models"
)

// RecoverOptions is what a restored database is completed with. All fields are required.
type RecoverOptions struct {
	Messages
	ID       string // of this recovery
	Database Restored
	Out      OutTopics
}

// OutTopics are the topics that the program writes and a recovery reads: the archive has them as well.
type OutTopics struct{ Events, Discounts, Packages string }

// All lists the topics.
func (t OutTopics) All() []string { return []string{t.Events, t.Discounts, t.Packages} }

// Restored is a database that was restored to an earlier moment.
type Restored interface {
	Ingester
	RecoverCodes(ctx context.Context, codes []models.IssuedCode) (added int64, err error)
	Requests(ctx context.Context, accounts []int64) (map[int64][]*models.Activation, error)
	RecoverDocuments(ctx context.Context, recovery string, all []models.Published, attribute func(*models.Adjustment, []models.Discount)) (models.TakenDocuments, error)
	BookedNotPosted(ctx context.Context) ([]models.Result, error)
}

// Recovered is what a recovery brought, besides the facts of the topics.
type Recovered struct {
	Codes     int64
	Requests  int64 // made at the personal account
	Documents int64
	Packages  int64
	Open      []Acceptance     // that clients were told of, and that do not hold any more
	Untaken   []models.Untaken // published, and not in the ledger
	Booked    []models.Result  // by billing, and neither in the ledger nor among those untaken
}

// Acceptance is an accepted code, as the client was told.
type Acceptance struct {
	AccountID, InviterID int64
	Code                 string
	On                   models.Date
	Known                bool          // the database has a request for the code
	Reason               models.Reason // why that is not accepted
}

// Recover takes what a restored database does not have: the codes that clients were told,
// from the events; the registrations; the requests at the personal account that were accepted, from the
// events; and then everything else that the topics hold, the documents and packages that were published among it. A registration that is taken
// before its code draws another one, and a request that is judged before the registration
// of either side is judged otherwise than it was. Taking all of it again changes nothing.
func Recover(ctx context.Context, o RecoverOptions) (Recovered, error) {
	r := recovery{RecoverOptions: o, taking: o.takenInto(o.Database)}
	for _, step := range []func(context.Context) error{
		r.codes, r.topic(o.Topics.Registered), r.requests, r.topic(o.Topics.Activation),
		r.topic(o.Topics.PromoEnded), r.topic(o.Topics.Terminated), r.topic(o.Topics.Invoices), r.documents, r.topic(o.Topics.Results), r.booked, r.compare,
	} {
		if err := step(ctx); err != nil {
			return r.Recovered, err
		}
	}
	return r.Recovered, nil
}

type recovery struct {
	RecoverOptions
	Recovered
	taking taking
}

func (r *recovery) topic(topic string) func(context.Context) error {
	return func(ctx context.Context) error {
		return r.taking.topic(ctx, topic, func(_ archive.Segment, take func() error) error { return take() })
	}
}

func (r *recovery) codes(ctx context.Context) error {
	return r.eachEvents(models.CodeIssued, func(events []told) error {
		codes := make([]models.IssuedCode, len(events))
		for i := range events {
			codes[i] = models.IssuedCode{AccountID: events[i].Data.AccountID, Code: events[i].Data.Code}
		}
		added, err := r.Database.RecoverCodes(ctx, codes)
		r.Codes += added
		return err
	})
}

// requests takes the requests that neither the database nor the topic has. Of several
// requests of an account, the one that was accepted comes first.
func (r *recovery) requests(ctx context.Context) error {
	onTopic := map[models.ActivationKey]bool{}
	for _, s := range r.Archive.Of(r.Topics.Activation) {
		err := r.Archive.Read(s, func(m models.Message) error {
			if f := r.Decoder.Decode(m).Fact; f != nil {
				request := f.Data.(models.ActivationRequested) //nolint:forcetypeassert // the topic has no other
				onTopic[request.Key()] = true
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return r.eachEvents(models.Activated, func(events []told) error {
		known, err := r.Database.Requests(ctx, accountsOf(events))
		if err != nil {
			return err
		}
		b := batch{ctx: ctx, taking: &r.taking}
		for i := range events {
			e := &events[i]
			request := models.ActivationRequested{AccountID: e.Data.AccountID, Code: e.Data.Code, RequestedAt: e.Time}
			if onTopic[request.Key()] || requestFor(known[request.AccountID], request.Code) != nil || !billing.Accepts(e.ID, request) {
				continue
			}
			onTopic[request.Key()] = true // the event may come twice
			r.Requests++
			if err := b.add(models.DecodedMessage{Fact: &models.Fact{At: e.Time, Provenance: models.Provenance{At: e.Time}, Data: request}}); err != nil {
				return err
			}
		}
		return b.send()
	})
}

// compare looks for clients who were told that a code is accepted, and whose code is not.
func (r *recovery) compare(ctx context.Context) error {
	seen := map[int64]bool{}
	return r.eachEvents(models.Activated, func(events []told) error {
		known, err := r.Database.Requests(ctx, accountsOf(events))
		if err != nil {
			return err
		}
		for i := range events {
			d := &events[i].Data
			requests := known[d.AccountID]
			if seen[d.AccountID] || models.Accepted(requests) != nil {
				continue
			}
			seen[d.AccountID] = true
			a := Acceptance{AccountID: d.AccountID, InviterID: d.InviterID, Code: d.Code, On: d.ActivatedOn}
			if request := requestFor(requests, d.Code); request != nil {
				a.Known, a.Reason = true, request.Reason
			}
			r.Open = append(r.Open, a)
		}
		return nil
	})
}

// told is an event that the programme has sent about an account.
type told struct {
	ID   models.UUID            `json:"id"`
	Type models.OutboxEventType `json:"type"`
	Time time.Time              `json:"time"`
	Data struct {
		AccountID   int64       `json:"account_id"`
		InviterID   int64       `json:"inviter_id"`
		Code        string      `json:"code"`
		ActivatedOn models.Date `json:"activated_on"`
	} `json:"data"`
}

// eachEvents hands over the events of one type in batches, those of an account in their order.
func (r *recovery) eachEvents(kind models.OutboxEventType, see func([]told) error) error {
	var batch []told
	err := r.values(r.Out.Events, func(value []byte) error {
		var head struct {
			Type models.OutboxEventType `json:"type"`
		}
		if err := json.Unmarshal(value, &head); err != nil || head.Type != kind {
			return err
		}
		var e told
		if err := json.Unmarshal(value, &e); err != nil {
			return fmt.Errorf("reading a %s: %w", kind, err)
		}
		if batch = append(batch, e); len(batch) < batchSize {
			return nil
		}
		defer func() { batch = batch[:0] }()
		return see(batch)
	})
	if err == nil && len(batch) > 0 {
		err = see(batch)
	}
	return err
}

// values hands over the values of the messages of a topic.
func (r *recovery) values(topic string, see func(value []byte) error) error {
	for _, s := range r.Archive.Of(topic) {
		if err := r.Archive.Read(s, func(m models.Message) error { return see(m.Value) }); err != nil {
			return err
		}
	}
	return nil
}

func accountsOf(events []told) []int64 {
	accounts := make([]int64, len(events))
	for i := range events {
		accounts[i] = events[i].Data.AccountID
	}
	return accounts
}

func requestFor(all []*models.Activation, code string) *models.Activation {
	for _, a := range all {
		if models.NormalCode(a.Code) == code {
			return a
		}
	}
	return nil
}
