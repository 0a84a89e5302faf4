package door

import "net/http"

// headed gives every answer the headers that keep a browser from doing more with
// it than was meant. Nothing is kept by anybody unless its handler allows it.
func (d *Door) headed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		for name, value := range fixedHeaders {
			h.Set(name, value)
		}
		h.Set("Content-Security-Policy", *d.policy.Load())
		if d.secure {
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

// setPolicy makes the Content-Security-Policy. Nothing may be loaded from
// elsewhere, no text of a page is a script or a style, and forms lead nowhere but
// here. signOut is the origin of the provider's sign-out, or empty: browsers hold a
// redirect after a form against form-action too.
func (d *Door) setPolicy(signOut string) {
	policy := "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; " +
		"manifest-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
	if signOut != "" {
		policy += " " + signOut
	}
	d.policy.Store(&policy)
}
