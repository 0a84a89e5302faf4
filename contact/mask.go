package contact

import (
	"strings"
	"unicode/utf8"
)

// Mask is a recipient as staff may see it: of an address the first letter and the
// domain, of a number in E.164 the first five and the last two characters. An empty one
// stays empty.
func Mask(recipient string) string {
	if at := strings.LastIndexByte(recipient, '@'); at >= 0 {
		_, first := utf8.DecodeRuneInString(recipient)
		return recipient[:min(first, at)] + "***" + recipient[at:]
	}
	const head, tail = 5, 2
	if len(recipient) <= head+tail {
		return strings.Repeat("*", len(recipient))
	}
	return recipient[:head] + strings.Repeat("*", len(recipient)-head-tail) + recipient[len(recipient)-tail:]
}
