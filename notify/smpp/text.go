package smpp

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf16"

	"referral/models"
)

// The alphabets, as data_coding names them.
const (
	codingDefault = 0 // the peer's own, which is GSM 03.38 or ASCII
	codingUCS2    = 8
)

// part is one SMS of a message.
type part struct {
	coding  byte
	headed  bool // the text begins with a user data header
	content []byte
}

// Units of one SMS, alone and as a part of several, which loses six bytes to the
// header that says which part it is.
const (
	soloShort, partShort = 160, 153
	soloUCS2, partUCS2   = 70, 67
	mostParts            = 10
)

// common is the signs that are written alike in GSM 03.38 and in ASCII, so that it
// does not matter which of them the peer means by its own alphabet.
const common = "\n\r !\"#%&'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// split cuts a text into SMS. reference tells the parts of one message from those
// of others to the same recipient.
func split(text string, reference byte) ([]part, error) {
	units, solo, most, coding := utf16.Encode([]rune(text)), soloUCS2, partUCS2, byte(codingUCS2)
	if strings.Trim(text, common) == "" {
		solo, most, coding = soloShort, partShort, codingDefault
	}
	if len(units) <= solo {
		return []part{{coding: coding, content: encode(units, coding)}}, nil
	}
	chunks := cut(units, most)
	if len(chunks) > mostParts {
		return nil, fmt.Errorf("smpp: %w: it needs %d SMS, more than %d", models.ErrTransportRefuses, len(chunks), mostParts)
	}
	parts := make([]part, len(chunks))
	for i, chunk := range chunks {
		header := []byte{5, 0, 3, reference, byte(len(chunks)), byte(i + 1)}
		parts[i] = part{coding: coding, headed: true, content: append(header, encode(chunk, coding)...)}
	}
	return parts, nil
}

// cut cuts units into chunks of at most most, and no character in two.
func cut(units []uint16, most int) [][]uint16 {
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
