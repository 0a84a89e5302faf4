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

// Decode reads a message: the result has either a fact or an error.
func (d *Decoder) Decode(m models.Message) models.DecodedMessage {
	fact, err := d.read(&m)
	if err != nil {
		return models.DecodedMessage{Message: m, Type: typeOf(&m), Err: inputErrorOf(err)}
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

// badEncoding says why bytes are not JSON in UTF-8, as the end of a sentence; empty when
// they may be.
func badEncoding(value []byte) string {
	switch {
	case !utf8.Valid(value):
		return "is not valid UTF-8"
	case bytes.HasPrefix(value, []byte("\ufeff")):
		return "begins with a byte order mark (EF BB BF), which JSON must not have; send it without"
	}
	return ""
}

// sameCurrency refuses an invoice in another currency than the programme's. Source:
// docs/rules.md, "Dates, times and input".
func (d *Decoder) sameCurrency(data models.FactData) error {
	inv, ok := data.(*models.Invoice)
	if !ok || inv.Currency == d.currency {
		return nil
	}
	return inField("data.currency", invalid("must be "+d.currency+", the currency of the programme (programme.currency)"))
}

// fact makes a fact of an envelope and its data. An event without a time has that of its
// message.
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

// typeOf is the event type of a message that cannot be read; empty when it names none.
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
	// An error ends the search; the message has an error already.
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

// toMicroseconds truncates a time to the resolution of the database. Otherwise it would
// compare differently before and after it is stored.
func toMicroseconds(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}
