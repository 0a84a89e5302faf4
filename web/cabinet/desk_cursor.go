package cabinet

import (
	"encoding/base64"
	"encoding/binary"
	"slices"
)

// A mark is where a page ends, as clients carry it about. It is no secret and
// grants nothing: what lies behind it is always looked for among the account's
// own. That it names the account only keeps somebody else's from being taken for
// one's own.
const (
	friendsMark     = 'f'
	changesMark     = 'c'
	monthsMark      = 'm'
	invitationsMark = 'i'
)

func newMark(kind byte, account int64, at ...int64) string {
	mark := binary.AppendVarint([]byte{kind}, account)
	for _, n := range at {
		mark = binary.AppendVarint(mark, n)
	}
	return base64.RawURLEncoding.EncodeToString(mark)
}

// readMark is the numbers of a mark, which must be so many; nil for none.
func readMark(kind byte, account int64, text string, numbers int) ([]int64, error) {
	if text == "" {
		return nil, nil
	}
	mark, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(mark) == 0 || mark[0] != kind {
		return nil, ErrBadCursor
	}
	var at []int64
	for mark = mark[1:]; len(mark) > 0; {
		n, size := binary.Varint(mark)
		if size <= 0 {
			return nil, ErrBadCursor
		}
		at, mark = append(at, n), mark[size:]
	}
	if len(at) != 1+numbers || at[0] != account || newMark(kind, at[0], at[1:]...) != text {
		return nil, ErrBadCursor
	}
	return slices.Clip(at[1:]), nil
}
