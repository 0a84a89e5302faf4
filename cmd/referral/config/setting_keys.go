package config

import (
	"iter"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// setting is a key of the configuration: a leaf, or a section of them.
type setting struct {
	path  string // kafka.topics.registered; terms[].invitee for what each item of a list has
	typ   reflect.Type
	index []int // of the field within Config; none for what is inside a list
}

const environmentPrefix = "REFERRAL_"

// variable is the environment variable that overrides the setting.
func (s setting) variable() string {
	return environmentPrefix + strings.ToUpper(strings.ReplaceAll(s.path, ".", "_"))
}

// isLeaf tells a value from a section.
func (s setting) isLeaf() bool { return s.typ.Kind() != reflect.Struct }

// insideList tells a key that each item of a list has: it has no variable of
// its own, because the list is overridden as a whole.
func (s setting) insideList() bool { return strings.Contains(s.path, "[]") }

// settings is every key of the configuration, a section before what it holds.
func settings() []setting { return settingsOf(reflect.TypeFor[Config](), "", nil) }

func settingsOf(section reflect.Type, prefix string, at []int) []setting {
	var all []setting
	for field := range fieldsOf(section) {
		s := setting{path: joined(prefix, field.key), typ: field.typ, index: append(slices.Clip(at), field.index)}
		all = append(all, s)
		switch {
		case !s.isLeaf():
			all = append(all, settingsOf(s.typ, s.path, s.index)...)
		case isListOfSections(s.typ):
			all = append(all, settingsOf(s.typ.Elem(), s.path+"[]", nil)...)
		}
	}
	return all
}

// field is a field of a section as YAML sees it.
type field struct {
	key      string
	typ      reflect.Type
	index    int
	optional bool
}

func fieldsOf(section reflect.Type) iter.Seq[field] {
	return func(yield func(field) bool) {
		for i := range section.NumField() {
			f := section.Field(i)
			key, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			if !yield(field{key: key, typ: f.Type, index: i, optional: options == "omitempty"}) {
				return
			}
		}
	}
}

func isListOfSections(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct
}

func joined(prefix, key string) string {
	if prefix == "" {
		return key
	}
	return prefix + "." + key
}

var itemNumber = regexp.MustCompile(`\[\d+\]`)

// nearestKey is the known key that a name in a section most likely means: a similar one
// of the section, or else one of the same name in another.
func nearestKey(section, name string) string {
	section = itemNumber.ReplaceAllString(section, "[]")
	path := joined(section, name)
	var siblings, namesakes []string
	for _, s := range settings() {
		switch in, called := split(s.path); {
		case in == section:
			siblings = append(siblings, s.path)
		case called == name:
			namesakes = append(namesakes, s.path)
		}
	}
	best := nearest(path, siblings)
	if len(namesakes) > 0 && distance(path, best) > 2 {
		return namesakes[0]
	}
	return best
}

func split(path string) (section, name string) {
	i := strings.LastIndex(path, ".")
	return path[:max(i, 0)], path[i+1:]
}

// nearest is the word with the smallest edit distance, the first of several.
func nearest(word string, known []string) string {
	return slices.MinFunc(known, func(a, b string) int { return distance(word, a) - distance(word, b) })
}

// distance is Levenshtein's: how many letters must be put in, taken out or
// changed to get from a to b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
