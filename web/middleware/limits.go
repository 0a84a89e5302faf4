package middleware

import "net/http"

// maxBody is the maximum size of a request body in bytes, more than any request needs.
const maxBody = 64 << 10

// limit limits the body of a request, and refuses a cross-site request of a browser.
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
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}
