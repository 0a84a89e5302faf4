package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzLoad holds that any file, and any variable, is read or refused in one line
// that names the place.
func FuzzLoad(f *testing.F) {
	shipped, err := os.ReadFile(manual)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(shipped), "")
	f.Add("kafka: {tls: true, brokers: [a, b]}\ndatabase:\n  dsn: ${file:/x}\n", "")
	f.Add("log: &l {level: debug, <<: {format: text}}\n", "")
	f.Add("", "[{effective_from: 2026-01-01}]")
	f.Add("kafka: &k {<<: *k}\n", "")
	f.Add("log: {for.at: text}\nx: 1\n", "")
	f.Add("programme: {terms: &t [*t]}\n", "&t [*t]")
	f.Fuzz(func(t *testing.T, text, terms string) {
		path := filepath.Join(t.TempDir(), "config.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var environ []string
		if terms != "" {
			environ = []string{"REFERRAL_PROGRAMME_TERMS=" + terms}
		}
		c, err := Load(path, true, environ)
		if err == nil {
			if err := c.Validate(); err != nil {
				t.Fatalf("loaded, but not valid: %v", err)
			}
			_ = c.String()
			return
		}
		var refused *Error
		if !errors.As(err, &refused) {
			t.Fatalf("%T is not an Error: %v", err, err)
		}
		if strings.ContainsAny(err.Error(), "\r\n") || err.Error() == "" {
			t.Fatalf("not one line: %q", err)
		}
	})
}
