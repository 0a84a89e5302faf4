// Package recipient says who may be written to: it turns a mail address or a
// telephone number as people type them into the one form that is written to, and
// into the key by which limits and opt-outs know whoever reads there. It refuses
// what would cost the recipient or the operator money, and what looks like another
// address than it is. It is pure: nothing is asked of any network.
package recipient

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"referral/models"
)

// Why somebody is not written to. Errors wrap one of them, and quote nothing of
// what was typed: it is personal data.
var (
	// ErrBad says that it is no mail address, or no mobile number of a region
	// that is written to.
	ErrBad = errors.New("no such recipient")
	// ErrPremium says that a call or a message to the number costs extra.
	ErrPremium = errors.New("a number that costs extra")
	// ErrForeignLetters says that what stands before the @ is written in another
	// alphabet than the Latin one. There are such addresses («друг@пример.рф»), but
	// a mail to them comes through only if every server on its way knows SMTPUTF8
	// (RFC 6531), and most do not.
	ErrForeignLetters = errors.New("letters before the @ that many mail servers cannot take")
	// ErrLookalike says that the address mixes alphabets, or is made of letters
	// that look like those of another one.
	ErrLookalike = errors.New("an address that may pass for another")
)

// Recipient is somebody who may be written to.
type Recipient struct {
	Channel models.Channel
	Address string // as it is written to: a mail address in ASCII, or E.164
	Key     models.RecipientKey
}

// Rules is what may be chosen.
type Rules struct {
	// Regions is whose mobile numbers are written to, as ISO 3166 has them. Empty
	// means RU.
	Regions []string
}

// longestTyped is more than any address or number needs.
const longestTyped = 320

// Read is the recipient that a client has typed.
func (r Rules) Read(channel models.Channel, typed string) (Recipient, error) {
	if channel == models.SMS {
		typed = plainNotation(typed)
	}
	typed = strings.TrimSpace(typed)
	if err := printable(typed); err != nil {
		return Recipient{}, err
	}
	var address, canonical string
	var err error
	switch channel {
	case models.Email:
		address, canonical, err = readMail(typed)
	case models.SMS:
		address, err = r.readPhone(typed)
		canonical = address
	default:
		err = fmt.Errorf("%w: there is no such channel", ErrBad)
	}
	if err != nil {
		return Recipient{}, err
	}
	return Recipient{Channel: channel, Address: address, Key: models.NewRecipientKey(channel, canonical)}, nil
}

// printable refuses what is no text, and marks that change how it is shown or
// that nobody sees: line breaks, reversed writing, joiners.
func printable(typed string) error {
	if typed == "" || len(typed) > longestTyped || !utf8.ValidString(typed) {
		return fmt.Errorf("%w: empty, too long or no text", ErrBad)
	}
	for _, c := range typed {
		if unicode.IsControl(c) || unicode.Is(unicode.Cf, c) || unicode.Is(unicode.Zl, c) || unicode.Is(unicode.Zp, c) {
			return fmt.Errorf("%w: it holds signs that are not seen", ErrBad)
		}
	}
	return nil
}
