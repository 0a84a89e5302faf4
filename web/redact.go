package web

import (
	"regexp"
	"strings"
)

var (
	urlUser   = regexp.MustCompile(`://\S*@`)
	namedPart = regexp.MustCompile(`(?i)\b(\w*(?:password|passwd|pwd|secret|token))(["']?\s*[=:]\s*)("[^"]*"|'(?:[^'\\]|\\.)*'|[^\s&,;]+)`)
)

const longestError = 500 // bytes

// redact is the text of an error in one line of limited length, without credentials:
// the errors of drivers may quote the address they were given.
func redact(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	text = urlUser.ReplaceAllString(text, "://xxxxx@")
	text = namedPart.ReplaceAllString(text, "${1}${2}xxxxx")
	if len(text) > longestError {
		text = strings.ToValidUTF8(text[:longestError], "") + "…"
	}
	return text
}
