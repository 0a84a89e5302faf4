package smpp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// command is the command id of a PDU; the highest bit marks an answer.
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

// status is the command status of an answer.
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
	// maxPDU bounds the memory of a PDU: the largest message_payload (64 KiB) with all
	// other fields.
	maxPDU = 70 << 10
)

type pdu struct {
	command  command
	status   status
	sequence uint32
	body     []byte
}

// errMalformed: the SMSC does not speak SMPP, or its stream is out of step.
var errMalformed = errors.New("malformed SMPP")

func readPDU(r io.Reader) (*pdu, error) {
	var header [headerSize]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(header[:])
	if size < headerSize || size > maxPDU {
		return nil, fmt.Errorf("%w: a PDU of %d bytes", errMalformed, size)
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

// fields reads the body of a PDU. The first error stays.
type fields struct {
	rest []byte
	err  error
}

// text reads a C-octet string of at most size bytes, with its NUL.
func (f *fields) text(size int) string {
	end := bytes.IndexByte(f.rest[:min(size, len(f.rest))], 0)
	if end < 0 {
		f.fail("a text without its NUL")
		return ""
	}
	s := string(f.rest[:end])
	f.rest = f.rest[end+1:]
	return s
}

func (f *fields) take(n int) []byte {
	if n > len(f.rest) {
		f.fail("the body is too short")
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
		f.err = fmt.Errorf("%w: %s", errMalformed, why)
	}
	f.rest = nil
}

// tag identifies an optional parameter.
type tag uint16

const (
	tagReceiptedID    tag = 0x001E
	tagMessagePayload tag = 0x0424
	tagMessageState   tag = 0x0427
)

// optional reads the optional parameters at the end of a body. Of several with one tag
// the first counts.
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

// appendText appends a C-octet string, truncated at a NUL.
func appendText(b []byte, s string) []byte {
	text, _, _ := bytes.Cut([]byte(s), []byte{0})
	return append(append(b, text...), 0)
}
