package consumer

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"sync"
	"time"

	"referral/models"
)

// digest tells bodies apart: it covers the type and the values of the known
// fields of the data, and so neither how they were written nor the envelope.
// The lines of an invoice count as a set, each known by its line_id.
func digest(event string, data models.FactData) models.UUID {
	c := canons.Get().(*canon)
	defer canons.Put(c)
	*c = (*c)[:0]
	c.text(event)
	switch f := data.(type) {
	case models.Registered:
		c.registered(f)
	case models.PromoEnded:
		c.number(f.AccountID)
		c.time(f.EndedAt)
	case models.Terminated:
		c.number(f.AccountID)
		c.time(f.TerminatedAt)
	case models.ActivationRequested:
		c.number(f.AccountID)
		c.text(f.Code)
		c.time(f.RequestedAt)
	case *models.Invoice:
		c.invoice(f)
	case models.Result:
		c.result(f)
	}
	sum := sha256.Sum256(*c)
	return models.UUID(sum[:16])
}

// canons are used again and again: no digest outgrows the message it is of.
var canons = sync.Pool{New: func() any { return new(canon) }}

// canon is values laid end to end so that no two rows of them look alike: texts
// carry their length, numbers end by themselves.
type canon []byte

func (c *canon) number(n int64) { *c = binary.AppendVarint(*c, n) }

func (c *canon) text(s string) {
	*c = append(binary.AppendUvarint(*c, uint64(len(s))), s...)
}

func (c *canon) time(t time.Time) {
	c.number(t.Unix())
	c.number(int64(t.Nanosecond()))
}

func (c *canon) registered(f models.Registered) {
	c.number(f.AccountID)
	c.time(f.RegisteredAt)
	for _, s := range []string{f.Profile.Name, f.Profile.TaxID, f.Profile.Email, f.Profile.Phone, f.Profile.PromoUntil} {
		c.text(s)
	}
}

func (c *canon) result(f models.Result) {
	*c = append(*c, f.AdjustmentID[:]...)
	c.text(string(f.Status))
	c.number(int64(f.Amount))
	c.text(f.Reason)
	c.time(f.At)
}

func (c *canon) invoice(f *models.Invoice) {
	c.text(f.ID)
	c.number(f.AccountID)
	c.number(int64(f.Period))
	c.number(int64(f.Revision))
	c.text(f.Currency)
	for _, l := range byID(f.Lines) {
		c.text(l.ID)
		c.text(l.Service)
		c.number(int64(l.From))
		c.number(int64(l.To))
		c.number(int64(l.Amount))
	}
}

func byID(lines []models.Line) []models.Line {
	order := func(a, b models.Line) int { return cmp.Compare(a.ID, b.ID) }
	if slices.IsSortedFunc(lines, order) {
		return lines
	}
	return slices.SortedFunc(slices.Values(lines), order)
}
