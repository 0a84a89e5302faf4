package smpp

import (
	"fmt"
	"strings"

	"referral/models"
)

// Address is who a message comes from, or whom it goes to.
type Address struct {
	TON  byte // type of number: 1 international, 5 alphanumeric
	NPI  byte // numbering plan: 1 E.164, 0 none
	Text string
}

// The lengths of the fields, their NUL included.
const (
	systemIDSize   = 16
	passwordSize   = 9
	systemTypeSize = 13
	addressSize    = 21
	messageIDSize  = 65
)

const (
	esmClassHeaded = 0x40 // the text begins with a user data header
	wantReceipt    = 0x01 // whether delivered or not
	version34      = 0x34
)

// validity is how long the peer may try to deliver, as SMPP writes a day.
const validity = "000001000000000R"

func bindBody(o *Options) []byte {
	b := appendText(nil, o.SystemID)
	b = appendText(b, o.Password)
	b = appendText(b, o.SystemType)
	b = append(b, version34, 0, 0) // any numbers
	return appendText(b, "")
}

// destination is the recipient as SMPP writes E.164.
func destination(recipient string) (Address, error) {
	digits, plus := strings.CutPrefix(recipient, "+")
	if !plus || digits == "" || len(digits) >= addressSize || strings.Trim(digits, "0123456789") != "" {
		return Address{}, fmt.Errorf("smpp: %w: the recipient is no number in E.164", models.ErrTransportRefuses)
	}
	return Address{TON: 1, NPI: 1, Text: digits}, nil
}

func submitBody(o *Options, to Address, p part) []byte {
	var class byte
	if p.headed {
		class = esmClassHeaded
	}
	b := appendText(nil, o.ServiceType)
	b = appendAddress(b, o.Source)
	b = appendAddress(b, to)
	b = append(b, class, 0, 0) // no protocol, normal priority
	b = appendText(b, "")      // at once
	b = appendText(b, validity)
	b = append(b, wantReceipt, 0, p.coding, 0, byte(len(p.content)))
	return append(b, p.content...)
}

func appendAddress(b []byte, a Address) []byte {
	return appendText(append(b, a.TON, a.NPI), a.Text)
}

// submitted is the peer's id of a message that it has taken.
func submitted(body []byte) (string, error) {
	f := &fields{rest: body}
	id := f.text(messageIDSize)
	return id, f.err
}
