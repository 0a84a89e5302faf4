package rebuild

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"referral/billing"
	"referral/models"
	"referral/publisher"
)

// maxUntaken is how many published documents may wait for those before them, or be left out
// and named. More are a sign that it is not the database, or not the topics.
const maxUntaken = 100_000

// documents takes what had been published since the backup into the ledger: posted again, it
// could come to other documents under the same ids, because facts came between the runs that
// posted it.
func (r *recovery) documents(ctx context.Context) error {
	var batch []models.Published
	var left []models.Untaken
	send := func() error {
		if len(batch) == 0 {
			return nil
		}
		taken, err := r.Database.RecoverDocuments(ctx, r.ID, batch, billing.AttributeDays)
		r.Documents, r.Packages = r.Documents+taken.Documents, r.Packages+taken.Packages
		left, batch = append(left, taken.Untaken...), batch[:0]
		if len(left) > maxUntaken {
			return fmt.Errorf("more than %d published documents cannot be taken, such as that of account %d: %s; is it the database that they came from?", maxUntaken, left[0].AccountID(), left[0].Reason)
		}
		return err
	}
	take := func(p models.Published) error {
		if batch = append(batch, p); len(batch) < batchSize {
			return nil
		}
		return send()
	}
	for _, topic := range []string{r.Out.Discounts, r.Out.Packages} {
		err := r.values(topic, func(value []byte) error {
			p, err := readPublished(value)
			if err != nil || p.Adjustment == nil && p.Package == nil {
				return err
			}
			return take(p)
		})
		if err != nil {
			return err
		}
	}
	if err := send(); err != nil {
		return err
	}
	// A topic that was given more partitions has the documents of an invoice on two of them.
	for before := len(left) + 1; len(left) > 0 && len(left) < before; {
		before = len(left)
		slices.SortFunc(left, compareUntaken)
		again := left
		left = nil
		for i := range again {
			if err := take(again[i].Published); err != nil {
				return err
			}
		}
		if err := send(); err != nil {
			return err
		}
	}
	r.Untaken = left
	return nil
}

// booked looks for documents and packages that no topic has and billing has booked: nothing
// else tells of them when nothing of their invoice was published later.
func (r *recovery) booked(ctx context.Context) error {
	all, err := r.Database.BookedNotPosted(ctx)
	named := map[models.UUID]bool{}
	for i := range r.Untaken {
		named[r.Untaken[i].ID()] = true
	}
	r.Booked = slices.DeleteFunc(all, func(b models.Result) bool { return named[b.AdjustmentID] })
	return err
}

// compareUntaken has the documents of an invoice in their order.
func compareUntaken(a, b models.Untaken) int {
	invoice, sequence := placeOf(a)
	otherInvoice, otherSequence := placeOf(b)
	return cmp.Or(cmp.Compare(a.AccountID(), b.AccountID()), cmp.Compare(invoice, otherInvoice), cmp.Compare(sequence, otherSequence))
}

func placeOf(u models.Untaken) (invoice string, sequence int) {
	if u.Package != nil {
		return u.Package.InvoiceID, 0
	}
	return u.Adjustment.InvoiceID, u.Adjustment.Sequence
}

// publishedEvent is an event that carries a document or a package.
type publishedEvent struct {
	Type string    `json:"type"`
	Time time.Time `json:"time"`
	Data struct {
		AdjustmentID    models.UUID             `json:"adjustment_id"`
		PackageID       models.UUID             `json:"package_id"`
		AccountID       int64                   `json:"account_id"`
		InvoiceID       string                  `json:"invoice_id"`
		Period          models.Period           `json:"period"`
		Sequence        int                     `json:"sequence"`
		InvoiceRevision int                     `json:"invoice_revision"`
		PostingPeriod   models.Period           `json:"posting_period"`
		Currency        string                  `json:"currency"`
		Amount          models.Money            `json:"amount_minor"`
		Reason          models.AdjustmentReason `json:"reason"`
		Items           []publishedItem         `json:"items"`
		SMS             int                     `json:"sms"`
		GrantedOn       models.Date             `json:"granted_on"`
		Step            int                     `json:"step"`
	} `json:"data"`
}

type publishedItem struct {
	LineID   string       `json:"line_id"`
	Service  string       `json:"service"`
	Amount   models.Money `json:"amount_minor"`
	Segments []struct {
		From    models.Date `json:"from"`
		To      models.Date `json:"to"`
		Percent int         `json:"percent"`
	} `json:"segments"`
}

// readPublished reads the event of a document or of a package; of another type it has neither.
func readPublished(value []byte) (p models.Published, err error) {
	var e publishedEvent
	if err := json.Unmarshal(value, &e); err != nil {
		return p, fmt.Errorf("reading a published document: %w", err)
	}
	p.At = e.Time
	d := &e.Data
	switch e.Type {
	case publisher.AdjustmentType:
		a := &models.Adjustment{
			ID: d.AdjustmentID, Sequence: d.Sequence, AccountID: d.AccountID, InvoiceID: d.InvoiceID, InvoiceRevision: d.InvoiceRevision,
			Period: d.Period, PostingPeriod: d.PostingPeriod, Currency: d.Currency, Amount: d.Amount, Reason: d.Reason,
		}
		for _, i := range d.Items {
			item := models.AdjustmentItem{LineID: i.LineID, Service: i.Service, Amount: i.Amount}
			for _, s := range i.Segments {
				item.Segments = append(item.Segments, models.Segment{From: s.From, To: s.To, Inviter: s.Percent})
			}
			a.Items = append(a.Items, item)
		}
		if a.Sequence < 1 {
			return p, fmt.Errorf("document %s of account %d has the sequence number %d", a.ID, a.AccountID, a.Sequence)
		}
		p.Adjustment = a
	case publisher.PackageType:
		p.Package = &models.SMSPackage{
			ID: d.PackageID, AccountID: d.AccountID, SMS: d.SMS, GrantedOn: d.GrantedOn, Period: d.Period, InvoiceID: d.InvoiceID, Step: d.Step,
		}
		if p.Package.Ordinal = ordinalOf(p.Package); p.Package.Ordinal == 0 {
			return p, fmt.Errorf("the id of package %s is none of account %d", d.PackageID, d.AccountID)
		}
	}
	return p, nil
}

// mostPackages is more than an account can have earned of one size.
const mostPackages = 10_000

// ordinalOf is the number of a package among those of its account and size, which follows
// from its id; 0 when the id is of none.
func ordinalOf(p *models.SMSPackage) int {
	for n := 1; n <= mostPackages; n++ {
		if billing.PackageID(p.AccountID, p.SMS, n) == p.ID {
			return n
		}
	}
	return 0
}
