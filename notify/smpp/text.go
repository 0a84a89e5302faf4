package smpp

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf16"

	"referral/models"
)

// Values of data_coding.
const (
	codingDefault = 0 // the SMSC's own, which is GSM 03.38 or ASCII
	codingUCS2    = 8
)

// part is one SMS of a message.
type part struct {
	coding    byte
	hasHeader bool // the content begins with a user data header
	content   []byte
}

// Characters of an SMS, alone and as a part of several: the header of a part takes six
// bytes.
const (
	singleShort, partShort = 160, 153
	singleUCS2, partUCS2   = 70, 67
	maxParts               = 10
)

// common is the characters with the same code in GSM 03.38 and in ASCII, so that it
// does not matter which of them the default coding of the SMSC is.
const common = "\n\r !\"#%&'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// split divides a text into SMS. reference distinguishes the parts of one message from
// those of others to the same recipient.
func split(text string, reference byte) ([]part, error) {
	units, single, most, coding := utf16.Encode([]rune(text)), singleUCS2, partUCS2, byte(codingUCS2)
	if strings.Trim(text, common) == "" {
		single, most, coding = singleShort, partShort, codingDefault
	}
	if len(units) <= single {
		return []part{{coding: coding, content: encode(units, coding)}}, nil
	}
	chunks := chunk(units, most)
	if len(chunks) > maxParts {
		return nil, fmt.Errorf("smpp: %w: the text needs %d SMS, more than %d", models.ErrMessageRefused, len(chunks), maxParts)
	}
	parts := make([]part, len(chunks))
	for i, content := range chunks {
		header := []byte{5, 0, 3, reference, byte(len(chunks)), byte(i + 1)}
		parts[i] = part{coding: coding, hasHeader: true, content: append(header, encode(content, coding)...)}
	}
	return parts, nil
}

// chunk divides units into chunks of at most most units, without splitting a
// character of two units.
func chunk(units []uint16, most int) [][]uint16 {
	var chunks [][]uint16
	for len(units) > most {
		n := most
		if utf16.IsSurrogate(rune(units[n-1])) && utf16.IsSurrogate(rune(units[n])) && units[n-1] < 0xDC00 {
			n--
		}
		chunks = append(chunks, units[:n])
		units = units[n:]
	}
	return append(chunks, units)
}

func encode(units []uint16, coding byte) []byte {
	var b []byte
	for _, u := range units {
		if coding == codingUCS2 {
			b = binary.BigEndian.AppendUint16(b, u)
		} else {
			b = append(b, byte(u))
		}
	}
	return b
}
