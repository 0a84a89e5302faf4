package renewal

import (
	"crypto/tls"
	"net/http"
)

// Transport is for HTTP requests, over connections that are secured as a setting says
// when they are made. load gives nil for what the system says. Connections that are open
// are used until they have been idle for a while.
func Transport(f *Files, setting string, load func() (*tls.Config, error), files ...string) (http.RoundTripper, error) {
	current, err := Read(f, setting, func() (*http.Transport, error) {
		secured, err := load()
		if err != nil {
			return nil, err
		}
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.TLSClientConfig = secured
		return t, nil
	}, files...)
	return transport{current}, err
}

type transport struct{ current *Value[*http.Transport] }

// RoundTrip sends a request.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	return t.current.Get().RoundTrip(r)
}
