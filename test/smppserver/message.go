package smppserver

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf16"
)

// Command ids of SMPP 3.4, section 5.1.2.1, that tests ask about.
const (
	BindTransceiver uint32 = 0x00000009
	SubmitSM        uint32 = 0x00000004
	DeliverSM       uint32 = 0x00000005
	EnquireLink     uint32 = 0x00000015
	Unbind          uint32 = 0x00000006

	response uint32 = 0x80000000 // added to a request's id by its answer
)

const (
	headerSize  = 16
	largestPDU  = 1 << 20
	codingUCS2  = 0x08
	codingGSM   = 0x00
	featureUDH  = 0x40 // of esm_class: the text begins with a header
	payloadTag  = 0x0424
	concatenate = 0x00 // element of that header: which part of which message
)

// part is one submit_sm: a message, or a part of one.
type part struct {
	From, To         string
	SourceTON        byte
	DestinationTON   byte
	ReceiptRequested bool
	Coding           byte
	Reference        int // of the message whose part this is, 0 when it is whole
	Part, Parts      int
	Text             []byte // without its header
}

// Message is what a phone would show.
type Message struct {
	From, To string
	Text     string
	Parts    int
}

func readPDU(r io.Reader) ([]byte, error) {
	head := make([]byte, headerSize)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(head)
	if size < headerSize || size > largestPDU {
		return nil, fmt.Errorf("%w: %d bytes", errSize, size)
	}
	pdu := slices.Grow(head, int(size))[:size]
	_, err := io.ReadFull(r, pdu[headerSize:])
	return pdu, err
}

var (
	errSize  = errors.New("read an SMPP message: it cannot be that long")
	errShort = errors.New("read submit_sm: it ends too early")
)

// fields takes a body apart.
type fields struct {
	rest []byte
	err  error
}

func (f *fields) text() string {
	value, rest, found := bytes.Cut(f.rest, []byte{0})
	if !found {
		f.err = errShort
		return ""
	}
	f.rest = rest
	return string(value)
}

func (f *fields) bytes(n int) []byte {
	if len(f.rest) < n {
		f.err = errShort
		return make([]byte, n)
	}
	value := f.rest[:n]
	f.rest = f.rest[n:]
	return value
}

func (f *fields) octet() byte { return f.bytes(1)[0] }

// readSubmit reads a body of section 4.4.1.
func readSubmit(body []byte) (part, error) {
	f := &fields{rest: body}
	var p part
	_ = f.text() // service_type
	p.SourceTON, _, p.From = f.octet(), f.octet(), f.text()
	p.DestinationTON, _, p.To = f.octet(), f.octet(), f.text()
	class := f.octet()
	_, _ = f.octet(), f.octet() // protocol_id, priority_flag
	_, _ = f.text(), f.text()   // schedule_delivery_time, validity_period
	p.ReceiptRequested = f.octet()&0x03 != 0
	_ = f.octet() // replace_if_present_flag
	p.Coding = f.octet()
	_ = f.octet() // sm_default_msg_id
	text := f.bytes(int(f.octet()))
	if f.err == nil && len(text) == 0 {
		text = f.payload()
	}
	if f.err != nil {
		return part{}, f.err
	}
	return p, p.take(text, class&featureUDH != 0)
}

// payload is the text of a message that carries it as an optional parameter.
func (f *fields) payload() []byte {
	for len(f.rest) > 0 && f.err == nil {
		tag := binary.BigEndian.Uint16(f.bytes(2))
		value := f.bytes(int(binary.BigEndian.Uint16(f.bytes(2))))
		if tag == payloadTag {
			return value
		}
	}
	return nil
}

// take reads the header of a part: 3GPP TS 23.040, section 9.2.3.24.1.
func (p *part) take(text []byte, header bool) error {
	p.Part, p.Parts, p.Text = 1, 1, text
	if !header {
		return nil
	}
	const sizeOfHeader, sizeOfElement = 6, 3
	if len(text) < sizeOfHeader || text[0] != sizeOfHeader-1 || text[1] != concatenate || text[2] != sizeOfElement {
		return fmt.Errorf("read submit_sm: a header that is none of concatenation: % x", text[:min(len(text), sizeOfHeader)])
	}
	p.Reference, p.Parts, p.Part = int(text[3]), int(text[4]), int(text[5])
	p.Text = text[sizeOfHeader:]
	if p.Parts < 1 || p.Part < 1 || p.Part > p.Parts {
		return fmt.Errorf("read submit_sm: part %d of %d", p.Part, p.Parts)
	}
	return nil
}

type key struct {
	from, to  string
	reference int
	parts     int
}

// assemble puts the parts together; what is incomplete is left out.
func assemble(pieces []part) ([]Message, error) {
	var messages []Message
	unfinished := map[key]map[int][]byte{}
	for _, p := range pieces {
		k := key{p.From, p.To, p.Reference, p.Parts}
		if unfinished[k] == nil {
			unfinished[k] = map[int][]byte{}
		}
		unfinished[k][p.Part] = p.Text
		if len(unfinished[k]) < p.Parts {
			continue
		}
		var whole []byte
		for part := range p.Parts {
			whole = append(whole, unfinished[k][part+1]...)
		}
		delete(unfinished, k)
		text, err := decode(p.Coding, whole)
		if err != nil {
			return nil, err
		}
		messages = append(messages, Message{From: p.From, To: p.To, Text: text, Parts: p.Parts})
	}
	return messages, nil
}

func decode(coding byte, text []byte) (string, error) {
	switch {
	case coding == codingGSM:
		return string(text), nil // of the GSM alphabet, letters and digits are as in ASCII
	case coding != codingUCS2:
		return "", fmt.Errorf("read submit_sm: data coding %d", coding)
	case len(text)%2 != 0:
		return "", fmt.Errorf("read submit_sm: %d bytes of UCS-2", len(text))
	}
	units := make([]uint16, 0, len(text)/2)
	for pair := range slices.Chunk(text, 2) {
		units = append(units, binary.BigEndian.Uint16(pair))
	}
	return string(utf16.Decode(units)), nil
}
