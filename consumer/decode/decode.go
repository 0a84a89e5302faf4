package decode

import (
	"bytes"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/go-faster/jx"

	"referral/models"
)

// MaxValue is the size of the largest message value that is read, in bytes.
const MaxValue = 1 << 20

// Decoder reads messages of the known topics. It keeps no state and may be used
// from many goroutines. Build it with [New].
type Decoder struct {
	kinds    map[string]*kind
	currency string
}

// New makes a decoder for these topics, and for invoices in one currency.
func New(topics Topics, currency string) (*Decoder, error) {
	if err := topics.Validate(); err != nil {
		return nil, err
	}
	if currency == "" {
		return nil, errors.New("currency: invoices need one")
	}
	return &Decoder{kinds: kindsOf(topics), currency: currency}, nil
}

// EventType is the one type of event that a topic carries; empty for a topic
// that is not read.
func (d *Decoder) EventType(topic string) string {
	if kind := d.kinds[topic]; kind != nil {
		return kind.event
	}
	return ""
}

// Decode reads a message: the delivery has either a fact or a fault. It never
// fails otherwise, whatever the bytes.
func (d *Decoder) Decode(m models.Message) models.DecodedMessage {
	fact, err := d.read(&m)
	if err != nil {
		return models.DecodedMessage{Message: m, Type: typeOf(&m), Err: faultOf(err)}
	}
	return models.DecodedMessage{Message: m, Type: d.EventType(m.Origin.Topic), Fact: fact}
}

func (d *Decoder) read(m *models.Message) (*models.Fact, error) {
	kind, known := d.kinds[m.Origin.Topic]
	switch {
	case !known:
		return nil, &models.InputError{Reason: models.BadUnknownType, Detail: "the topic is none of those that are read"}
	case len(m.Value) > MaxValue:
		return nil, &models.InputError{Reason: models.BadTooLarge, Detail: fmt.Sprintf(
			"the value has %d bytes, and at most %d are read; split what it carries", len(m.Value), MaxValue)}
	case len(m.Value) == 0:
		return nil, unreadable("the message has no value (a tombstone); send the event itself")
	}
	if wrong := badEncoding(m.Value); wrong != "" {
		return nil, unreadable("the value " + wrong)
	}
	e, err := readEvent(kind, m)
	if err != nil {
		return nil, err
	}
	f := e.fact(m)
	return f, d.sameCurrency(f.Data)
}

// badEncoding says why bytes are not JSON in UTF-8, in words that follow on what
// they are; empty when nothing speaks against it.
func badEncoding(value []byte) string {
	switch {
	case !utf8.Valid(value):
		return "is not valid UTF-8"
	case bytes.HasPrefix(value, []byte("\ufeff")):
		return "begins with a byte order mark (EF BB BF), which JSON must not have; send it without"
	}
	return ""
}

// sameCurrency refuses an invoice in another currency than the programme's: what
// was posted on it in one cannot be set off against what it owes in another, nor
// can the brake add the two up.
func (d *Decoder) sameCurrency(data models.FactData) error {
	inv, ok := data.(*models.Invoice)
	if !ok || inv.Currency == d.currency {
		return nil
	}
	return inField("data.currency", invalid("must be "+d.currency+", the currency of the programme (programme.currency)"))
}

// fact puts together what the envelope and its data say. An event that is not dated is
// as old as its message.
func (e *envelope) fact(m *models.Message) *models.Fact {
	f := &models.Fact{At: e.time, Provenance: models.Provenance{Origin: m.Origin, At: m.At}, Data: e.data}
	if f.At.IsZero() {
		f.At = toMicroseconds(m.At)
	}
	switch data := e.data.(type) {
	case models.Registered: // its profile is dated, so that the newest can win
		data.Profile.At = e.time
		if e.time.IsZero() {
			data.Profile.At = data.RegisteredAt
		}
		f.Data = data
	case models.Result:
		data.AccountID = models.KeyAccount(m.Key)
		f.Data = data
	}
	return f
}

// typeOf is the event type that a message which cannot be read still names; empty
// when it names none.
func typeOf(m *models.Message) string {
	for i := range m.Headers {
		if name, ok := attribute(m.Headers[i].Key); ok && name == "type" {
			return prefix(string(m.Headers[i].Value), maxTypeKept)
		}
	}
	var named string
	d := jx.GetDecoder()
	defer jx.PutDecoder(d)
	d.ResetBytes(m.Value)
	// An error ends the search, and says nothing that the fault does not say.
	_ = d.ObjBytes(func(d *jx.Decoder, key []byte) error {
		if string(key) != "type" || d.Next() != jx.String {
			return d.Skip()
		}
		value, err := d.Str()
		named = prefix(value, maxTypeKept)
		return err
	})
	return named
}

const maxTypeKept = 200

// toMicroseconds is the resolution of the database: an instant that lost digits
// only on its way through it would compare differently before and after.
func toMicroseconds(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}
