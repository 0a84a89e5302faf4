package config

import (
	"encoding"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"time"
)

// overlayEnvironment lays the REFERRAL_ variables of an environment over c.
// Text is taken as it is, lists of text may be separated by commas, all else is
// YAML: a section or a list of sections is given inline, and what it does not
// mention stays. An inner setting wins over its section.
func overlayEnvironment(c *Config, environ []string, where origins) error {
	values := variables(environ)
	found := &findings{}
	for _, s := range settings() {
		text, given := values[s.variable()]
		if !given || s.insideList() {
			continue
		}
		delete(values, s.variable())
		target := reflect.ValueOf(c).Elem().FieldByIndex(s.index)
		if err := s.override(target, text, where); err != nil {
			found.list = append(found.list, err.Error())
		}
	}
	for _, name := range sortedKeys(values) {
		found.add(name, "unknown environment variable; %s", adviceFor(name, values[name]))
	}
	return found.err()
}

// adviceFor says what an unknown variable may have been meant to be.
func adviceFor(name, value string) string {
	if service := linkedService(name, value); service != "" {
		return fmt.Sprintf("it looks like a Kubernetes link to the service %s: switch such links off by enableServiceLinks: false in the pod", service)
	}
	return "the nearest known one is " + nearestVariable(name)
}

// variables is those of an environment that could be settings. Others are for tests
// (REFERRAL_TEST_*), for the cache of downloads and for the published example, or set by
// Kubernetes for a service that is called referral, in every pod of its namespace.
func variables(environ []string) map[string]string {
	values := map[string]string{}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		foreign := strings.HasPrefix(name, "REFERRAL_TEST_") || name == "REFERRAL_SPRING" || name == "REFERRAL_CACHE" ||
			linkedService(name, value) == "referral"
		if strings.HasPrefix(name, environmentPrefix) && !foreign {
			values[name] = value
		}
	}
	return values
}

// serviceLink matches the variables by which Kubernetes informs a pod of a service, with
// their values. Source: "Service environment variables" in its documentation.
var serviceLink = regexp.MustCompile(`^([A-Z0-9_]+?)_(` +
	`SERVICE_HOST=|SERVICE_PORT(_[A-Z0-9_]+)?=|` +
	`PORT(_\d+_(TCP|UDP|SCTP))?=(tcp|udp|sctp)://|` +
	`PORT_\d+_(TCP|UDP|SCTP)_(PROTO|PORT|ADDR)=)`)

// linkedService is the service of such a variable; empty when it is another variable.
func linkedService(name, value string) string {
	parts := serviceLink.FindStringSubmatch(name + "=" + value)
	if parts == nil {
		return ""
	}
	return strings.ReplaceAll(strings.ToLower(parts[1]), "_", "-")
}

func nearestVariable(name string) string {
	var known []string
	for _, s := range settings() {
		if !s.insideList() {
			known = append(known, s.variable())
		}
	}
	return nearest(name, known)
}

// override sets a setting to the text of its variable.
func (s setting) override(target reflect.Value, text string, where origins) error {
	where[s.path] = s.variable()
	switch {
	case s.typ.Kind() == reflect.String:
		target.SetString(text)
		return nil
	case s.typ == reflect.TypeFor[[]string]() && !strings.HasPrefix(strings.TrimSpace(text), "["):
		target.Set(reflect.ValueOf(listed(text)))
		return nil
	}
	inline := &source{name: s.variable(), inline: true, text: []byte(text)}
	if err := inline.parse(); err != nil {
		return err
	}
	if inline.root == nil || isNull(inline.root) {
		found := &findings{origins: where}
		found.add(s.path, "is empty and must be %s; unset the variable to have the setting of the file", expected(s.typ))
		return found.err()
	}
	return inline.into(target.Addr().Interface(), s.path, where)
}

func listed(text string) []string {
	var items []string
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

// expected describes a value of a type.
func expected(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "a duration like 500ms or 30s"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t == reflect.TypeFor[TLS]():
		return "true, false or a section of keys and values"
	case t.Kind() == reflect.Struct:
		return "a section of keys and values"
	case t.Kind() == reflect.Slice:
		return "a list"
	case t.Kind() == reflect.String || isText(t):
		return "text"
	}
	return "a whole number"
}

// isText tells whether a type reads its own text, and so reports its own errors.
func isText(t reflect.Type) bool {
	_, ok := reflect.New(t).Interface().(encoding.TextUnmarshaler)
	return ok
}
