package decode

import (
	"bytes"
	"encoding/base64"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-faster/jx"

	"referral/models"
)

// envelope is the attributes of a CloudEvent and its data.
type envelope struct {
	kind  kind
	topic string

	id      string
	source  string
	event   string // attribute "type"
	version string // attribute "specversion"
	time    time.Time

	late  []byte // data that came before the type was known
	taken bool   // data has been read, or is kept in late
	data  models.FactData
}

// structured is the JSON form of an event.
var structured = shape[envelope]{
	{name: "specversion", need: required, read: put(func(e *envelope) *string { return &e.version }, specversion)},
	{name: "id", need: required, read: put(func(e *envelope) *string { return &e.id }, identifier)},
	{name: "source", need: required, read: put(func(e *envelope) *string { return &e.source }, sourceText)},
	{name: "type", need: required, read: readType},
	{name: "time", need: optional, read: put(func(e *envelope) *time.Time { return &e.time }, moment)},
	{name: "data", need: optional, read: readData},
	{name: "data_base64", need: optional, read: readData64},
}

// read fills the envelope from a message in either mode.
func (e *envelope) read(m *models.Message) error {
	media, binary := modeOf(m.Headers)
	switch {
	case media == structuredMedia:
		return e.readStructured(m.Value)
	case strings.HasPrefix(media, "application/cloudevents"):
		return unreadable("the content-type is a CloudEvents format that is not read; send application/cloudevents+json")
	case binary:
		return e.readBinary(m)
	case media == "" || media == "application/json":
		return e.readStructured(m.Value)
	}
	return unreadable("neither a structured CloudEvent (content-type) nor a binary one (ce_ headers)")
}

// modeOf is the media type of a message, in lower case and without parameters,
// and whether its headers carry an event's attributes.
func modeOf(headers []models.Header) (media string, binary bool) {
	for i := range headers {
		switch name, isAttribute := attribute(headers[i].Key); {
		case isAttribute:
			binary = binary || structured.index(name) >= 0
		case strings.EqualFold(headers[i].Key, "content-type"):
			media = mediaOf(headers[i].Value)
		}
	}
	return media, binary
}

const structuredMedia = "application/cloudevents+json"

// mediaOf is the media type that a content-type names. The usual one is not
// copied out of every message.
func mediaOf(contentType []byte) string {
	value, _, _ := bytes.Cut(contentType, []byte{';'})
	if value = bytes.TrimSpace(value); string(value) == structuredMedia {
		return structuredMedia
	}
	return strings.ToLower(string(value))
}

// attribute is the name of the attribute that a header of binary mode carries.
func attribute(header string) (name string, ok bool) {
	const prefix = "ce_"
	if len(header) <= len(prefix) || !strings.EqualFold(header[:len(prefix)], prefix) {
		return "", false
	}
	return strings.ToLower(header[len(prefix):]), true
}

func (e *envelope) readStructured(value []byte) error {
	d := jx.GetDecoder()
	defer jx.PutDecoder(d)
	d.ResetBytes(value)
	if err := structured.read(d, e); err != nil {
		return err
	}
	if err := end(d); err != nil {
		return err
	}
	return e.readLate()
}

func (e *envelope) readBinary(m *models.Message) error {
	if err := e.readHeaders(m.Headers); err != nil {
		return err
	}
	e.late, e.taken = m.Value, true
	return e.readLate()
}

// readHeaders writes the attributes as the JSON object that they stand for, so
// that both modes obey the same rules to the letter.
func (e *envelope) readHeaders(headers []models.Header) error {
	w := jx.GetEncoder()
	defer jx.PutEncoder(w)
	w.ObjStart()
	for i := range headers {
		name, ok := attribute(headers[i].Key)
		if !ok || name == "data" || name == "data_base64" {
			continue
		}
		if !utf8.Valid(headers[i].Value) {
			return unreadable("a ce_ header is not valid UTF-8")
		}
		w.FieldStart(name)
		w.ByteStr(headers[i].Value)
	}
	w.ObjEnd()
	d := jx.GetDecoder()
	defer jx.PutDecoder(d)
	d.ResetBytes(w.Bytes())
	return structured.read(d, e)
}

func specversion(d *jx.Decoder) (string, error) {
	version, err := text(d, 1, maxIdentifier)
	if err == nil && version != "1.0" {
		err = bad(`must be "1.0"`)
	}
	return version, err
}

func readType(d *jx.Decoder, e *envelope) (err error) {
	e.event, err = text(d, 1, maxText)
	if err == nil && e.event != e.kind.event {
		err = e.unknownType()
	}
	return err
}

func (e *envelope) unknownType() error {
	return &models.Fault{Reason: models.BadUnknownType, Detail: "type " + clip(e.event) +
		": this topic carries only " + e.kind.event + "; send the event to a topic of its own"}
}

func readData(d *jx.Decoder, e *envelope) (err error) {
	if e.taken {
		return bad("given twice, as data and data_base64")
	}
	e.taken = true
	if e.event == "" { // its rules are not known before the type is
		e.late, err = d.Raw()
		return err
	}
	e.data, err = e.kind.read(d)
	return err
}

func readData64(d *jx.Decoder, e *envelope) error {
	if e.taken {
		return bad("given twice, as data and data_base64")
	}
	if d.Next() != jx.String {
		return wrongType(d, "a string in base64")
	}
	coded, err := stringBytes(d)
	if err != nil {
		return err
	}
	e.taken = true
	e.late = make([]byte, base64.StdEncoding.DecodedLen(len(coded)))
	n, err := base64.StdEncoding.Decode(e.late, coded)
	if err != nil {
		return bad("must be base64")
	}
	e.late = e.late[:n]
	if wrong := badEncoding(e.late); wrong != "" {
		return bad("holds a value that " + wrong)
	}
	return nil
}

// readLate reads data that could not be read where it stood.
func (e *envelope) readLate() error {
	if e.data != nil {
		return nil
	}
	if !e.taken {
		return at("data", errMissing)
	}
	if e.data = e.kind.skimData(e.late); e.data != nil {
		return nil
	}
	d := jx.GetDecoder()
	defer jx.PutDecoder(d)
	d.ResetBytes(e.late)
	data, err := e.kind.read(d)
	if err != nil {
		return at("data", err)
	}
	e.data = data
	return end(d)
}
