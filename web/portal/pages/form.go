package pages

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"
)

// maxField is the maximum length of a field in bytes; the longest e-mail address has 254.
const maxField = 320

func readForm(r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		// The error of the parser may quote what was typed.
		return fmt.Errorf("%w", errBadForm)
	}
	for _, values := range r.PostForm {
		for _, value := range values {
			if !utf8.ValidString(value) { // no browser sends it
				return errBadForm
			}
		}
	}
	return nil
}

// typed returns a field without characters that cannot be typed.
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

// idempotencyKey makes a form sent twice one request. It is derived from the key of the
// form and its fields, so that a form that is corrected is another request. It is empty
// if the form has no key.
func idempotencyKey(r *http.Request, fields ...string) string {
	key := r.PostForm.Get("key")
	if key == "" || len(key) > maxKey {
		return ""
	}
	sum := sha256.Sum256([]byte(strings.Join(append([]string{key}, fields...), "\x00")))
	return hex.EncodeToString(sum[:16])
}
