package config

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// Tracing is where traces are sent.
type Tracing struct {
	Endpoint    string  `yaml:"endpoint"` // URL of a collector that takes OTLP over HTTP; empty: no traces
	Sampling    float64 `yaml:"sampling"` // share of the traces that begin here and are recorded
	HeadersFile string  `yaml:"headers_file"`
	CAFile      string  `yaml:"ca_file"` // PEM, for https; empty for the system's authorities
	CertFile    string  `yaml:"cert_file"`
	KeyFile     string  `yaml:"key_file"`
}

func (t *Tracing) validate(found *findings) {
	if t.Sampling < 0 || t.Sampling > 1 || t.Sampling != t.Sampling {
		found.add("tracing.sampling", "%v is not a share from 0 to 1", t.Sampling)
	}
	secured := t.CAFile != "" || t.CertFile != "" || t.KeyFile != ""
	if t.Endpoint == "" {
		if t.HeadersFile != "" || secured {
			found.add("tracing.endpoint", "files of tracing are given but no collector; write for example https://collector.example:4318")
		}
		return
	}
	u, err := url.Parse(t.Endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		found.add("tracing.endpoint", "it is not the URL of a collector; write for example https://collector.example:4318")
		return
	}
	if u.Scheme == "http" && secured {
		found.add("tracing.endpoint", "certificates are given, but it is http: write https")
	}
	found.pair("tracing", t.CertFile, t.KeyFile)
}

// Client is how the collector is connected to, with the files read. Errors are [*Error].
func (t *Tracing) Client() (*tls.Config, error) {
	return (&TLS{Enabled: true, CAFile: t.CAFile, CertFile: t.CertFile, KeyFile: t.KeyFile}).Client("tracing")
}

// Headers is the lines "name: value" of the file. Errors are [*Error] and do not quote it.
func (t *Tracing) Headers() (map[string]string, error) {
	if t.HeadersFile == "" {
		return nil, nil
	}
	text, err := os.ReadFile(t.HeadersFile)
	if err != nil {
		return nil, newError("tracing.headers_file", err)
	}
	headers := map[string]string{}
	for number, line := range strings.Split(string(text), "\n") {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		name, value, colon := strings.Cut(line, ":")
		if value = strings.TrimSpace(value); !colon || !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
			return nil, newError("tracing.headers_file", fmt.Errorf("%s, line %d: it is not a header; write for example Authorization: Bearer …", t.HeadersFile, number+1))
		}
		headers[http.CanonicalHeaderKey(name)] = value
	}
	return headers, nil
}
