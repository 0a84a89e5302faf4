package portal

import (
	"encoding/base64"
	"encoding/binary"
	"slices"
)

// A cursor is the position where a page ends, in a form that clients send back. It
// is not secret and grants nothing: queries are always bound to the account. It names
// the account so that a cursor of another account is refused.
const (
	friendsCursor     = 'f' // activated_at in microseconds, account
	changesCursor     = 'c' // number of older changes: new ones are added at the other end
	monthsCursor      = 'm' // period
	invitationsCursor = 'i' // the two halves of the id
)

func newCursor(kind byte, account int64, at ...int64) string {
	cursor := binary.AppendVarint([]byte{kind}, account)
	for _, n := range at {
		cursor = binary.AppendVarint(cursor, n)
	}
	return base64.RawURLEncoding.EncodeToString(cursor)
}

// readCursor returns the numbers of a cursor, of which there must be exactly so many;
// nil for an empty cursor.
func readCursor(kind byte, account int64, text string, numbers int) ([]int64, error) {
	if text == "" {
		return nil, nil
	}
	cursor, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(cursor) == 0 || cursor[0] != kind {
		return nil, ErrBadCursor
	}
	var at []int64
	for cursor = cursor[1:]; len(cursor) > 0; {
		n, size := binary.Varint(cursor)
		if size <= 0 {
			return nil, ErrBadCursor
		}
		at, cursor = append(at, n), cursor[size:]
	}
	if len(at) != 1+numbers || at[0] != account || newCursor(kind, at[0], at[1:]...) != text {
		return nil, ErrBadCursor
	}
	return slices.Clip(at[1:]), nil
}
