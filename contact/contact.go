// Package contact normalises e-mail addresses and mobile numbers as people type them,
// or refuses them. It returns the form to send to and the key by which limits and
// opt-outs identify the recipient. It refuses numbers that cost extra and addresses
// that look like other ones. It is pure: nothing is looked up on a network.
package contact

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"referral/models"
)

// Why a contact is refused. Errors wrap one of them, and quote nothing of what was
// typed, because it is personal data.
var (
	// ErrBad: not an e-mail address, or not a mobile number of a permitted region.
	ErrBad = errors.New("not a valid recipient")
	// ErrPremium: calls and messages to the number are charged at a premium rate.
	ErrPremium = errors.New("a premium-rate number")
	// ErrForeignLetters: the part before the @ has other than Latin letters. Such
	// addresses exist («друг@пример.рф»), but mail arrives only if every server on
	// its way supports SMTPUTF8 (RFC 6531), and most do not.
	ErrForeignLetters = errors.New("letters before the @ that many mail servers do not support")
	// ErrLookalike: the address mixes alphabets, or its letters look like those of
	// another alphabet.
	ErrLookalike = errors.New("an address that looks like another")
)

// Recipient is a normalised address or number.
type Recipient struct {
	Channel models.Channel
	Address string // to send to: an e-mail address in ASCII, or a number in E.164
	Key     models.RecipientKey
}

// Rules is what is configurable.
type Rules struct {
	// Regions is the regions whose mobile numbers are permitted, as in ISO 3166.
	// Empty means RU.
	Regions []string
}

// maxTyped is more than any address or number needs.
const maxTyped = 320

// Normalize returns the recipient for an address or number as typed.
func (r Rules) Normalize(channel models.Channel, typed string) (Recipient, error) {
	if channel == models.SMS {
		typed = plainPhone(typed)
	}
	typed = strings.TrimSpace(typed)
	if err := printable(typed); err != nil {
		return Recipient{}, err
	}
	var address, canonical string
	var err error
	switch channel {
	case models.Email:
		address, canonical, err = normalizeEmail(typed)
	case models.SMS:
		address, err = r.normalizePhone(typed)
		canonical = address
	default:
		err = fmt.Errorf("%w: unknown channel", ErrBad)
	}
	if err != nil {
		return Recipient{}, err
	}
	return Recipient{Channel: channel, Address: address, Key: models.NewRecipientKey(channel, canonical)}, nil
}

// printable refuses invalid text, and characters that are invisible or change how the
// text is shown: line breaks, direction marks, joiners.
func printable(typed string) error {
	if typed == "" || len(typed) > maxTyped || !utf8.ValidString(typed) {
		return fmt.Errorf("%w: empty, too long or not valid text", ErrBad)
	}
	for _, c := range typed {
		if unicode.IsControl(c) || unicode.Is(unicode.Cf, c) || unicode.Is(unicode.Zl, c) || unicode.Is(unicode.Zp, c) {
			return fmt.Errorf("%w: it contains invisible characters", ErrBad)
		}
	}
	return nil
}
