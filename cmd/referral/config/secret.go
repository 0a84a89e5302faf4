package config

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
)

const hidden = "xxxxx"

// Secret is text that neither fmt nor slog nor an encoder prints. string(s) is the text.
type Secret string

// String hides the secret, and only shows whether there is one.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return hidden
}

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return `"` + s.String() + `"` }

// MarshalText hides the secret from JSON, YAML and slog.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// DSN is a PostgreSQL connection string, a URL or key=value pairs, that is
// printed without its passwords. string(d) is the whole string.
type DSN string

var (
	dsnPair     = regexp.MustCompile(`(?i)\b((?:ssl)?password)\s*=\s*('(?:[^'\\]|\\.)*'|\S+)`)
	dsnPassword = regexp.MustCompile(`(?i)^(ssl)?password$`)
)

// String is the connection string with its passwords hidden; one that cannot be
// understood is hidden whole.
func (d DSN) String() string {
	if !d.isURL() {
		return d.redactedPairs()
	}
	u, err := url.Parse(string(d))
	if err != nil {
		return hidden
	}
	query := u.Query()
	for name := range query {
		if dsnPassword.MatchString(name) {
			query.Set(name, hidden)
		}
	}
	u.RawQuery = query.Encode()
	return u.Redacted()
}

func (d DSN) isURL() bool {
	return strings.HasPrefix(string(d), "postgres://") || strings.HasPrefix(string(d), "postgresql://")
}

func (d DSN) redactedPairs() string {
	if d != "" && !strings.Contains(string(d), "=") {
		return hidden
	}
	return dsnPair.ReplaceAllString(string(d), "${1}="+hidden)
}

// GoString hides the passwords from %#v.
func (d DSN) GoString() string { return `"` + d.String() + `"` }

// MarshalText hides the passwords from JSON, YAML and slog.
func (d DSN) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// placeholders stand for a secret in examples, and in what `check-config` prints. Weak
// passwords are not refused: which are good enough is decided at the server.
var placeholders = []string{hidden, "change-me", "change_me", "changeme", "replace-me", "your-password"}

// notSecret says what is wrong with a placeholder; nil for a secret.
func notSecret(secret string) error {
	if slices.Contains(placeholders, strings.ToLower(secret)) {
		return errors.New("it is the placeholder of an example: make a secret, for example with `openssl rand -base64 24`")
	}
	return nil
}

// readSecret is a secret from its setting, or from its file without the last line break.
// path is the setting that names the file.
func readSecret(path string, given Secret, file string) (string, error) {
	if file == "" {
		return string(given), nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", newError(path, err)
	}
	secret := strings.TrimRight(string(text), "\r\n")
	if secret == "" {
		return "", newError(path, fmt.Errorf("%s is empty", file))
	}
	if err := notSecret(secret); err != nil {
		return "", newError(path, fmt.Errorf("%s: %w", file, err))
	}
	return secret, nil
}
