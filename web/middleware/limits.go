package middleware

import "net/http"

// maxBody is more than any form of the pages or any request to the API needs, in
// bytes.
const maxBody = 64 << 10

// limit bounds the body of a request, and refuses one that another site made a
// browser send.
func (s *Stack) limit(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	// The origin that browsers use may differ from the host that a reverse proxy
	// passes on. A text that is not an origin adds no trust.
	_ = protection.AddTrustedOrigin(s.o.TrustedOrigin)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := protection.Check(r); err != nil {
			s.o.CrossSite(w, r)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}
