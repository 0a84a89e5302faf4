package smpp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// command is what a PDU says; the highest bit marks an answer.
type command uint32

const (
	answer          command = 0x80000000
	genericNack     command = 0x80000000
	bindTransceiver command = 0x00000009
	submitSM        command = 0x00000004
	deliverSM       command = 0x00000005
	unbind          command = 0x00000006
	enquireLink     command = 0x00000015
)

// status is how a request was answered.
type status uint32

const (
	statusOK          status = 0x00
	statusBadCommand  status = 0x03 // no such command
	statusBadBind     status = 0x04 // not bound for that
	statusSystemError status = 0x08
	statusBadSource   status = 0x0A
	statusBindFailed  status = 0x0D
	statusQueueFull   status = 0x14
	statusBadService  status = 0x15
	statusSourceTON   status = 0x48
	statusSourceNPI   status = 0x49
	statusThrottled   status = 0x58
	statusTemporary   status = 0x64 // the receiver cannot take it now
	statusUnknown     status = 0xFF
)

const (
	headerSize = 16
	// largestPDU bounds what a peer can make us hold: the largest message_payload
	// (64 KiB) with all that may stand around it.
	largestPDU = 70 << 10
)

type pdu struct {
	command  command
	status   status
	sequence uint32
	body     []byte
}

// errGarbage says that the peer does not speak SMPP, or has lost its place.
var errGarbage = errors.New("what the peer sends is no SMPP")

func readPDU(r io.Reader) (*pdu, error) {
	var header [headerSize]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(header[:])
	if size < headerSize || size > largestPDU {
		return nil, fmt.Errorf("%w: a PDU of %d bytes", errGarbage, size)
	}
	p := &pdu{
		command:  command(binary.BigEndian.Uint32(header[4:])),
		status:   status(binary.BigEndian.Uint32(header[8:])),
		sequence: binary.BigEndian.Uint32(header[12:]),
		body:     make([]byte, size-headerSize),
	}
	_, err := io.ReadFull(r, p.body)
	return p, err
}

func (p *pdu) bytes() []byte {
	b := make([]byte, 0, headerSize+len(p.body))
	b = binary.BigEndian.AppendUint32(b, uint32(headerSize+len(p.body)))
	b = binary.BigEndian.AppendUint32(b, uint32(p.command))
	b = binary.BigEndian.AppendUint32(b, uint32(p.status))
	b = binary.BigEndian.AppendUint32(b, p.sequence)
	return append(b, p.body...)
}

// fields reads the body of a PDU. The first fault stays.
type fields struct {
	rest []byte
	err  error
}

// text is a C-octet string of at most size bytes, its NUL included.
func (f *fields) text(size int) string {
	end := bytes.IndexByte(f.rest[:min(size, len(f.rest))], 0)
	if end < 0 {
		f.fail("a text does not end")
		return ""
	}
	s := string(f.rest[:end])
	f.rest = f.rest[end+1:]
	return s
}

func (f *fields) take(n int) []byte {
	if n > len(f.rest) {
		f.fail("it ends too early")
		return make([]byte, n)
	}
	b := f.rest[:n]
	f.rest = f.rest[n:]
	return b
}

func (f *fields) byte() byte { return f.take(1)[0] }

func (f *fields) uint16() uint16 { return binary.BigEndian.Uint16(f.take(2)) }

func (f *fields) fail(why string) {
	if f.err == nil {
		f.err = fmt.Errorf("%w: %s", errGarbage, why)
	}
	f.rest = nil
}

// tag is the kind of an optional parameter.
type tag uint16

const (
	tagReceiptedID    tag = 0x001E
	tagMessagePayload tag = 0x0424
	tagMessageState   tag = 0x0427
)

// optional is the parameters that stand at the end of a body. Of several with one
// tag the first counts.
func (f *fields) optional() map[tag][]byte {
	found := map[tag][]byte{}
	for f.err == nil && len(f.rest) > 0 {
		t := tag(f.uint16())
		value := f.take(int(f.uint16()))
		if _, there := found[t]; !there && f.err == nil {
			found[t] = value
		}
	}
	return found
}

// appendText appends a C-octet string; what cannot stand in one ends it.
func appendText(b []byte, s string) []byte {
	text, _, _ := bytes.Cut([]byte(s), []byte{0})
	return append(append(b, text...), 0)
}
