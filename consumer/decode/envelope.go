package decode

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-faster/jx"

	"referral/models"
)

// envelope is the parts of a CloudEvent that are used: its time and its data.
type envelope struct {
	kind *kind
	name string // attribute "type"
	time time.Time

	raw     []byte // data that was not read where it stood
	hasData bool   // data has been read, or is kept in raw
	data    models.FactData
}

// structured is the JSON form of an event.
var structured = newSchema(
	newField("specversion", readVersion, func(r *fastReader, _ *envelope) { r.exactly("1.0") }),
	checkedText("id", maxIdentifier),
	checkedText("source", maxSource),
	newField("type", readType, func(r *fastReader, e *envelope) { r.exactly(e.kind.event) }),
	optional("time", func(e *envelope) *time.Time { return &e.time }, anyTime),
	newField("data", readData, func(r *fastReader, e *envelope) { e.data = e.kind.fast(r) }).orMissing(),
	newField("data_base64", readData64, nil).orMissing(),
)

// checkedText is an attribute that is checked and not kept.
func checkedText(name string, most int) field[envelope] {
	return newField(name, func(d *jx.Decoder, _ *envelope) error {
		_, err := text(d, 1, most)
		return err
	}, func(r *fastReader, _ *envelope) { r.bytes(most) })
}

// readEvent reads a message in either mode.
func readEvent(kind *kind, m *models.Message) (envelope, error) {
	media, binary := modeOf(m.Headers)
	switch {
	case media == structuredMedia:
		return readStructured(kind, m.Value)
	case strings.HasPrefix(media, "application/cloudevents"):
		return envelope{}, unreadable("the content-type is a CloudEvents format that is not read; send application/cloudevents+json")
	case binary:
		return readBinary(kind, m)
	case media == "" || media == "application/json":
		return readStructured(kind, m.Value)
	}
	return envelope{}, unreadable("neither a structured CloudEvent (content-type) nor a binary one (ce_ headers)")
}

// modeOf is the media type of a message, in lower case and without parameters,
// and whether its headers carry an event's attributes.
func modeOf(headers []models.Header) (media string, binary bool) {
	for i := range headers {
		switch name, isAttribute := attribute(headers[i].Key); {
		case isAttribute:
			binary = binary || structured.index(name, 0) >= 0
		case strings.EqualFold(headers[i].Key, "content-type"):
			media = mediaOf(headers[i].Value)
		}
	}
	return media, binary
}

const structuredMedia = "application/cloudevents+json"

// mediaOf is the media type of a content-type. The usual one is not allocated for every
// message.
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

func readStructured(kind *kind, value []byte) (envelope, error) {
	if e, ok := readStructuredFast(kind, value); ok {
		return e, nil
	}
	e := &envelope{kind: kind}
	err := readAll(value, func(d *jx.Decoder) error { return structured.read(d, e) })
	if err == nil {
		err = e.readRaw()
	}
	return *e, err
}

func readStructuredFast(kind *kind, value []byte) (e envelope, ok bool) {
	ok = kind.fast != nil && readFast(value, func(r *fastReader) {
		r.event.kind = kind
		structured.readFast(r, &r.event)
		e = r.event
	})
	return e, ok && e.data != nil
}

// readAll reads a value with jx, and makes sure that nothing follows it.
func readAll(value []byte, read func(*jx.Decoder) error) error {
	d := jx.GetDecoder()
	defer jx.PutDecoder(d)
	d.ResetBytes(value)
	if err := read(d); err != nil {
		return err
	}
	if err := d.Skip(); !errors.Is(err, io.EOF) {
		return unreadable("something follows the JSON value; send one event per message")
	}
	return nil
}

func readBinary(kind *kind, m *models.Message) (envelope, error) {
	e := &envelope{kind: kind}
	err := e.readHeaders(m.Headers)
	if err == nil {
		e.raw, e.hasData = m.Value, true
		err = e.readRaw()
	}
	return *e, err
}

// readHeaders writes the attributes as a JSON object and reads that, so that both modes
// have exactly the same rules.
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
	return readAll(w.Bytes(), func(d *jx.Decoder) error { return structured.read(d, e) })
}

func readVersion(d *jx.Decoder, _ *envelope) error {
	version, err := text(d, 1, maxIdentifier)
	if err == nil && version != "1.0" {
		err = invalid(`must be "1.0"`)
	}
	return err
}

func readType(d *jx.Decoder, e *envelope) (err error) {
	e.name, err = text(d, 1, maxText)
	if err == nil && e.name != e.kind.event {
		err = &models.InputError{Reason: models.BadUnknownType, Detail: "type " + quoted(e.name) +
			": this topic carries only " + e.kind.event + "; send the event to a topic of its own"}
	}
	return err
}

var errTwoData = invalid("given twice, as data and data_base64")

func readData(d *jx.Decoder, e *envelope) (err error) {
	if e.hasData {
		return errTwoData
	}
	e.hasData = true
	if e.name == "" { // its rules are not known before the type is
		e.raw, err = d.Raw()
		return err
	}
	e.data, err = e.kind.read(d)
	return err
}

func readData64(d *jx.Decoder, e *envelope) error {
	if e.hasData {
		return errTwoData
	}
	e.hasData = true
	coded, err := stringBytes(d, "a string in base64")
	if err != nil {
		return err
	}
	if e.raw, err = base64.StdEncoding.AppendDecode(nil, coded); err != nil {
		return invalid("must be base64")
	}
	if wrong := badEncoding(e.raw); wrong != "" {
		return invalid("holds a value that " + wrong)
	}
	return nil
}

// readRaw reads data that was not read where it stood.
func (e *envelope) readRaw() error {
	if e.data != nil {
		return nil
	}
	if !e.hasData {
		return inField("data", errMissing)
	}
	if e.kind.fast != nil && readFast(e.raw, func(r *fastReader) { e.data = e.kind.fast(r) }) {
		return nil
	}
	return readAll(e.raw, func(d *jx.Decoder) (err error) {
		if e.data, err = e.kind.read(d); err != nil {
			return inField("data", err)
		}
		return nil
	})
}
