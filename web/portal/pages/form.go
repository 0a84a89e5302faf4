package pages

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"
)

// longestField bounds what is passed on, in bytes; the longest address of a mailbox
// is 254.
const maxField = 320

func readForm(r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		// The parser's error may quote what was typed.
		return fmt.Errorf("%w", errBadForm)
	}
	for _, values := range r.PostForm {
		for _, value := range values {
			if !utf8.ValidString(value) { // no browser sends it, and what stays without the bytes is another text
				return errBadForm
			}
		}
	}
	return nil
}

// typed is a field as it was typed, without what cannot be typed.
func typed(r *http.Request, name string) string { return clean(r.PostForm.Get(name)) }

func clean(s string) string {
	if len(s) > maxField {
		s = s[:maxField]
	}
	s = strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return -1
		}
		return c
	}, strings.ToValidUTF8(s, ""))
	return strings.TrimSpace(s)
}

const maxKey = 64

// onceKey makes a form sent twice one request: of the form's own key and what was
// filled in, so that a form that is corrected after going back is another one. It
// is empty when the form has no key.
func onceKey(r *http.Request, fields ...string) string {
	key := r.PostForm.Get("key")
	if key == "" || len(key) > maxKey {
		return ""
	}
	sum := sha256.Sum256([]byte(strings.Join(append([]string{key}, fields...), "\x00")))
	return hex.EncodeToString(sum[:16])
}
