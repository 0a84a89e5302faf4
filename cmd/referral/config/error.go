package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Error is a wrong configuration. It names each wrong setting and where its value comes from.
type Error struct{ err error }

func (e *Error) Error() string { return e.err.Error() }

func (e *Error) Unwrap() error { return e.err }

// newError is an [*Error] that says what err is about; nil for nil.
func newError(what string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{fmt.Errorf("%s: %w", what, err)}
}

// origins says which line or variable gave each setting its value, by path.
type origins map[string]string

// of is the origin of a setting, or of the innermost section around it that has one;
// empty for a default.
func (o origins) of(path string) string {
	for {
		if place, ok := o[path]; ok {
			return place
		}
		if path, _ = split(path); path == "" {
			return ""
		}
	}
}

// findings collects what is wrong, so that one start reports all of it.
type findings struct {
	origins origins
	list    []string
}

// add notes what is wrong with a setting, and where its value comes from.
func (f *findings) add(path, format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	for _, part := range []string{path, f.origins.of(path)} {
		if part != "" {
			what = part + ": " + what
		}
	}
	f.list = append(f.list, what)
}

func (f *findings) inRange(path string, n, low, high int) {
	if n < low || n > high {
		f.add(path, "%d must be %d to %d", n, low, high)
	}
}

func (f *findings) lasts(path string, d, low, high time.Duration) {
	if d < low || d > high {
		f.add(path, "%s must be %s to %s", d, low, high)
	}
}

func (f *findings) oneOf(path, value string, known ...string) {
	if !slices.Contains(known, value) {
		last := len(known) - 1
		f.add(path, "%q must be %s or %s", value, strings.Join(known[:last], ", "), known[last])
	}
}

// needed demands a value, for a purpose and with an example, which may be empty.
func (f *findings) needed(path, value, purpose, example string) {
	if value != "" {
		return
	}
	if example != "" {
		example = "; write for example " + example
	}
	f.add(path, "needed %s%s", purpose, example)
}

// remoteAddress demands a host and a port that one can connect to.
func (f *findings) remoteAddress(path, address, example string) {
	if port, err := portOf(address); err != nil || port == 0 || strings.HasPrefix(address, ":") {
		f.add(path, "%q is not host:port; write for example %s", address, example)
	}
}

// login demands a password with a user, from one place, and none without a user.
func (f *findings) login(path, user string, password Secret, file string) {
	switch {
	case user == "" && (password != "" || file != ""):
		f.add(path+".password", "a password is given but no user")
	case user != "" && (password == "") == (file == ""):
		f.add(path+".password", "give either %s.password or %s.password_file", path, path)
	default:
		f.secret(path+".password", password)
	}
}

// pair demands a certificate with its key in the section at a path, or neither.
func (f *findings) pair(path, certFile, keyFile string) {
	if (certFile == "") != (keyFile == "") {
		f.add(path+".cert_file", "%s.cert_file and %[1]s.key_file go together: give both or neither", path)
	}
}

// secret refuses a placeholder.
func (f *findings) secret(path string, secret Secret) {
	if err := notSecret(string(secret)); err != nil {
		f.add(path, "%v", err)
	}
}

// err is one line with all findings; nil when there are none.
func (f *findings) err() error {
	if len(f.list) == 0 {
		return nil
	}
	return errors.New(strings.Join(f.list, "; "))
}
