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
	Unbind          uint32 = 0x00000006

	response uint32 = 0x80000000 // added to a request's id by its answer
)

const (
	headerSize  = 16
	largestPDU  = 1 << 20
	codingUCS2  = 0x08
	codingGSM   = 0x00
	featureUDH  = 0x40 // of esm_class: the text begins with a header
	concatenate = 0x00 // element of that header: which part of which message
)

// part is one submit_sm: a message, or a part of one.
type part struct {
	from, to      string
	coding        byte
	reference     int // of the message whose part this is, 0 when it is whole
	number, parts int
	text          []byte // without its header
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

// pdu puts section 3.2's header before a body.
func pdu(command, sequence uint32, body []byte) []byte {
	out := binary.BigEndian.AppendUint32(nil, uint32(headerSize+len(body)))
	out = binary.BigEndian.AppendUint32(out, command)
	out = binary.BigEndian.AppendUint32(out, 0)
	out = binary.BigEndian.AppendUint32(out, sequence)
	return append(out, body...)
}

var (
	errSize  = errors.New("read an SMPP message: it cannot be that long")
	errShort = errors.New("read submit_sm: it ends too early")
)

// fields reads a body field by field.
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
	_ = f.text()                // service_type
	_, _ = f.octet(), f.octet() // source_addr_ton, source_addr_npi
	p.from = f.text()
	_, _ = f.octet(), f.octet() // dest_addr_ton, dest_addr_npi
	p.to = f.text()
	class := f.octet()
	_, _ = f.octet(), f.octet() // protocol_id, priority_flag
	_, _ = f.text(), f.text()   // schedule_delivery_time, validity_period
	_, _ = f.octet(), f.octet() // registered_delivery, replace_if_present_flag
	p.coding = f.octet()
	_ = f.octet() // sm_default_msg_id
	text := f.bytes(int(f.octet()))
	if f.err != nil {
		return part{}, f.err
	}
	return p, p.readText(text, class&featureUDH != 0)
}

// readText reads the header of a part: 3GPP TS 23.040, section 9.2.3.24.1.
func (p *part) readText(text []byte, header bool) error {
	p.number, p.parts, p.text = 1, 1, text
	if !header {
		return nil
	}
	const sizeOfHeader, sizeOfElement = 6, 3
	if len(text) < sizeOfHeader || text[0] != sizeOfHeader-1 || text[1] != concatenate || text[2] != sizeOfElement {
		return fmt.Errorf("read submit_sm: not a header of concatenation: % x", text[:min(len(text), sizeOfHeader)])
	}
	p.reference, p.parts, p.number = int(text[3]), int(text[4]), int(text[5])
	p.text = text[sizeOfHeader:]
	if p.parts < 1 || p.number < 1 || p.number > p.parts {
		return fmt.Errorf("read submit_sm: part %d of %d", p.number, p.parts)
	}
	return nil
}

// assemble puts the parts together; what is incomplete is left out.
func assemble(all []part) ([]Message, error) {
	type key struct {
		from, to         string
		reference, parts int
	}
	var messages []Message
	unfinished := map[key]map[int][]byte{}
	for _, p := range all {
		k := key{p.from, p.to, p.reference, p.parts}
		if unfinished[k] == nil {
			unfinished[k] = map[int][]byte{}
		}
		unfinished[k][p.number] = p.text
		if len(unfinished[k]) < p.parts {
			continue
		}
		var whole []byte
		for number := range p.parts {
			whole = append(whole, unfinished[k][number+1]...)
		}
		delete(unfinished, k)
		text, err := decode(p.coding, whole)
		if err != nil {
			return nil, err
		}
		messages = append(messages, Message{From: p.from, To: p.to, Text: text, Parts: p.parts})
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
