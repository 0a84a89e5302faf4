package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// source is settings in YAML: a file, or the value of a variable.
type source struct {
	name   string
	inline bool // a variable, which has no lines worth naming
	text   []byte
	root   *yaml.Node // nil when there is nothing in it
}

// readSource reads and parses a settings file; an absent one is empty if it may
// be absent. Errors are [*Error].
func readSource(path string, mayBeAbsent bool) (*source, error) {
	text, err := os.ReadFile(path)
	if mayBeAbsent && errors.Is(err, fs.ErrNotExist) {
		return &source{name: path}, nil
	}
	if err != nil {
		return nil, newError("reading the settings", err)
	}
	s := &source{name: path, text: text}
	return s, newError("configuration", s.parse())
}

// parse takes exactly one document: a second one would be ignored silently.
func (s *source) parse() error {
	decoder := yaml.NewDecoder(bytes.NewReader(s.text))
	var document, second yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return fmt.Errorf("%s is not YAML: %s", s.name, oneLine(err))
	}
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s holds more than one YAML document: keep one", s.name)
	}
	// Anchors may contain themselves, or grow without bound. The library sees it when it decodes.
	var anything any
	if err := document.Decode(&anything); err != nil {
		return fmt.Errorf("%s: %s", s.name, oneLine(err))
	}
	s.root = document.Content[0]
	return nil
}

// has tells whether the root is a mapping with this key.
func (s *source) has(key string) bool {
	return s.root != nil && s.root.Kind == yaml.MappingNode &&
		slices.ContainsFunc(pairs(s.root), func(p pair) bool { return p.key.Value == key })
}

// into lays the source over target (a pointer), which is the setting at path,
// and notes in where which setting comes from which place.
func (s *source) into(target any, path string, where origins) error {
	if s.root == nil {
		return nil
	}
	in := inspection{source: s, findings: findings{origins: where}}
	in.visit(s.root, s.root, reflect.TypeOf(target).Elem(), path)
	if err := in.err(); err != nil {
		return err
	}
	decoder := yaml.NewDecoder(bytes.NewReader(s.text))
	decoder.KnownFields(true)
	if err := decoder.Decode(target); err != nil {
		return fmt.Errorf("%s: %s", s.name, oneLine(err))
	}
	return nil
}

// inspection compares YAML with the types of the settings before the library decodes
// it: the errors of the library name neither the whole path nor the nearest key.
type inspection struct {
	source *source
	findings
}

// visit inspects a value of a type; place is the node whose line is reported.
func (in *inspection) visit(n, place *yaml.Node, t reflect.Type, path string) {
	if n = resolved(n); isNull(n) {
		return
	}
	in.origins[path] = in.source.position(place)
	_, reads := reflect.New(t).Interface().(yaml.Unmarshaler)
	switch {
	case reads && n.Kind == yaml.ScalarNode: // kafka.tls: true
		in.value(n, t, path)
	case t.Kind() == reflect.Struct:
		in.section(n, t, path)
	case t.Kind() == reflect.Slice:
		in.items(n, t.Elem(), path)
	default:
		in.value(n, t, path)
	}
}

func (s *source) position(n *yaml.Node) string {
	if s.inline {
		return s.name
	}
	return fmt.Sprintf("%s:%d", s.name, n.Line)
}

func (in *inspection) section(n *yaml.Node, t reflect.Type, path string) {
	if n.Kind != yaml.MappingNode {
		in.add(path, "must be a section of keys and values")
		return
	}
	known := map[string]reflect.Type{}
	for f := range fieldsOf(t) {
		known[f.key] = f.typ
	}
	given := map[string]bool{}
	for _, p := range pairs(n) {
		inner := joined(path, p.key.Value)
		if typ, ok := known[p.key.Value]; ok {
			given[p.key.Value] = given[p.key.Value] || !isNull(resolved(p.value))
			in.visit(p.value, p.key, typ, inner)
			continue
		}
		in.origins[inner] = in.source.position(p.key)
		in.add(inner, "unknown key; the nearest known one is %s", nearestKey(path, p.key.Value))
	}
	in.missing(t, given, path)
}

// missing demands every key of an item of a list: the items are the terms that clients
// were promised, and must not depend on defaults.
func (in *inspection) missing(t reflect.Type, given map[string]bool, path string) {
	if !strings.Contains(path, "[") {
		return
	}
	for f := range fieldsOf(t) {
		if !f.optional && !given[f.key] {
			in.add(path, "%s is missing; a version of the terms is written out whole", f.key)
		}
	}
}

func (in *inspection) items(n *yaml.Node, t reflect.Type, path string) {
	if n.Kind != yaml.SequenceNode {
		in.add(path, "must be a list")
		return
	}
	for i, item := range n.Content {
		in.visit(item, item, t, fmt.Sprintf("%s[%d]", path, i))
	}
}

func (in *inspection) value(n *yaml.Node, t reflect.Type, path string) {
	err := n.Decode(reflect.New(t).Interface())
	switch {
	case err == nil:
	case n.Kind != yaml.ScalarNode:
		in.add(path, "must be %s, not a list or a section", expected(t))
	case isText(t):
		in.add(path, "%s", oneLine(err))
	default:
		in.add(path, "%q is not %s", n.Value, expected(t))
	}
}

type pair struct{ key, value *yaml.Node }

// pairs is the keys and values of a mapping, with what "<<" merges into it.
func pairs(n *yaml.Node) []pair {
	var all []pair
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], resolved(n.Content[i+1])
		switch {
		case key.Tag != "!!merge":
			all = append(all, pair{key, n.Content[i+1]})
		case value.Kind == yaml.MappingNode:
			all = append(all, pairs(value)...)
		case value.Kind == yaml.SequenceNode:
			for _, part := range value.Content {
				all = append(all, pairs(resolved(part))...)
			}
		}
	}
	return all
}

func resolved(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// oneLine is an error of the YAML library without its line breaks: errors are
// printed as one line.
func oneLine(err error) string {
	return strings.Join(strings.Fields(strings.TrimPrefix(err.Error(), "yaml: ")), " ")
}
