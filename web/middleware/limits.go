package middleware

import (
	"net/http"
	"strings"
	"unicode/utf8"
)

// maxBody is the maximum size of a request body in bytes, more than any request needs.
const maxBody = 64 << 10

// Readable tells whether a text can be looked for and kept: the database takes neither a
// NUL nor anything but UTF-8.
func Readable(text string) bool { return utf8.ValidString(text) && !strings.Contains(text, "\x00") }

func readableURL(r *http.Request) bool {
	if !Readable(r.URL.Path) {
		return false
	}
	for name, values := range r.URL.Query() {
		if !Readable(name + strings.Join(values, "")) {
			return false
		}
	}
	return true
}

// limit limits the body of a request, and refuses a cross-site request of a browser and
// an address that cannot be read.
func (s *Stack) limit(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	// The origin that browsers use may differ from the host that a reverse proxy passes
	// on. An invalid origin is not trusted.
	_ = protection.AddTrustedOrigin(s.o.TrustedOrigin)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := protection.Check(r); err != nil {
			s.o.CrossSite(w, r)
			return
		}
		if !readableURL(r) {
			s.Answer(w, r, unreadableURL)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}
