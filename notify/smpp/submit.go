package smpp

import (
	"fmt"
	"strings"

	"referral/models"
)

// Address is the source or destination of a message.
type Address struct {
	TON  byte // type of number: 1 international, 5 alphanumeric
	NPI  byte // numbering plan: 1 E.164, 0 none
	Text string
}

// Sizes of the fields in bytes, with their NUL.
const (
	systemIDSize   = 16
	passwordSize   = 9
	systemTypeSize = 13
	addressSize    = 21
	messageIDSize  = 65
)

const (
	esmClassHeader = 0x40 // the content begins with a user data header
	wantReceipt    = 0x01 // of success and failure
	version34      = 0x34
)

// validity is how long the SMSC may try to deliver: one day.
const validity = "000001000000000R"

func bindBody(o *Options) []byte {
	b := appendText(nil, o.SystemID)
	b = appendText(b, o.Password)
	b = appendText(b, o.SystemType)
	b = append(b, version34, 0, 0) // any type of number
	return appendText(b, "")
}

// destination returns the address of a recipient in E.164.
func destination(recipient string) (Address, error) {
	digits, plus := strings.CutPrefix(recipient, "+")
	if !plus || digits == "" || len(digits) >= addressSize || strings.Trim(digits, "0123456789") != "" {
		return Address{}, fmt.Errorf("smpp: %w: the recipient is not a number in E.164", models.ErrMessageRefused)
	}
	return Address{TON: 1, NPI: 1, Text: digits}, nil
}

func submitBody(o *Options, to Address, p part) []byte {
	var class byte
	if p.hasHeader {
		class = esmClassHeader
	}
	b := appendText(nil, o.ServiceType)
	b = appendAddress(b, o.Source)
	b = appendAddress(b, to)
	b = append(b, class, 0, 0) // no protocol, normal priority
	b = appendText(b, "")      // schedule: immediately
	b = appendText(b, validity)
	b = append(b, wantReceipt, 0, p.coding, 0, byte(len(p.content)))
	return append(b, p.content...)
}

func appendAddress(b []byte, a Address) []byte {
	return appendText(append(b, a.TON, a.NPI), a.Text)
}

// submitted returns the SMSC's id of an accepted message.
func submitted(body []byte) (string, error) {
	f := &fields{rest: body}
	id := f.text(messageIDSize)
	return id, f.err
}
