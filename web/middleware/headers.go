package middleware

import "net/http"

// headers sets the security headers of every answer. Nothing may be cached unless
// the handler allows it.
func (s *Stack) headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		for name, value := range fixedHeaders {
			h.Set(name, value)
		}
		h.Set("Content-Security-Policy", *s.policy.Load())
		if s.o.HTTPS {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}

var fixedHeaders = map[string]string{
	"Cache-Control":                "no-store",
	"X-Content-Type-Options":       "nosniff",
	"X-Frame-Options":              "DENY", // for browsers that know no frame-ancestors
	"Referrer-Policy":              "same-origin",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Permissions-Policy":           "camera=(), microphone=(), geolocation=(), payment=(), usb=(), clipboard-read=(), clipboard-write=(self)",
}

// AllowFormTarget sets the Content-Security-Policy. Everything is loaded from this
// host, pages have no inline scripts or styles, and forms lead nowhere else but to the
// given origin, if any: browsers apply form-action to a redirect after a form too.
func (s *Stack) AllowFormTarget(origin string) {
	policy := "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; " +
		"manifest-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
	if origin != "" {
		policy += " " + origin
	}
	s.policy.Store(&policy)
}
