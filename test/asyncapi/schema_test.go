package asyncapi_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"
)

// schemas makes values that the schemas of asyncapi.yaml accept.
type schemas struct{ components map[string]any }

func loadSchemas(t testing.TB) schemas {
	t.Helper()
	text, err := os.ReadFile("../../asyncapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct{ Components map[string]any }
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	return schemas{doc.Components}
}

// find is the part of the components at a path like "schemas/invoice".
func (s schemas) find(t rapid.TB, path string) map[string]any {
	t.Helper()
	at := s.components
	for name := range strings.SplitSeq(path, "/") {
		next, ok := at[name].(map[string]any)
		if !ok {
			t.Fatalf("asyncapi.yaml has no components/%s", path)
		}
		at = next
	}
	return at
}

// facets is what all schemas together ask of one value.
type facets struct {
	kind       string
	fixed      []any // one of these, when there are any
	required   []string
	properties map[string][]any // schemas of each
	items      any
	patterns   []string
	format     string
	low, high  int // lengths
	min, max   int64
}

// gather merges schemas with all that they refer to. Of alternatives it takes one.
// A keyword that it does not know would make values that it must not make.
func (s schemas) gather(t *rapid.T, f *facets, schema any) {
	for _, keyword := range slices.Sorted(maps.Keys(schema.(map[string]any))) {
		value := schema.(map[string]any)[keyword]
		switch keyword {
		case "$ref":
			s.gather(t, f, s.find(t, strings.TrimPrefix(value.(string), "#/components/")))
		case "allOf":
			for _, part := range value.([]any) {
				s.gather(t, f, part)
			}
		case "anyOf", "oneOf":
			s.gather(t, f, rapid.SampledFrom(value.([]any)).Draw(t, keyword))
		case "type":
			f.kind = value.(string)
		case "const":
			f.fixed = []any{value}
		case "enum":
			f.fixed = value.([]any)
		case "required":
			for _, name := range value.([]any) {
				f.required = append(f.required, name.(string))
			}
		case "properties":
			for name, property := range value.(map[string]any) {
				f.properties[name] = append(f.properties[name], property)
			}
		case "items":
			f.items = value
		case "pattern":
			f.patterns = append(f.patterns, value.(string))
		case "format":
			f.format = value.(string)
		case "minLength":
			f.low = value.(int)
		case "maxLength":
			f.high = value.(int)
		case "minimum":
			f.min = int64(value.(int))
		case "maximum":
			f.max = int64(value.(int))
		case "title", "description", "examples", "contentEncoding":
		default:
			t.Fatalf("the generator does not know the keyword %s", keyword)
		}
	}
}

// value draws a value that all of the schemas accept.
func (s schemas) value(t *rapid.T, all ...any) any {
	f := facets{properties: map[string][]any{}, high: 1500, min: math.MinInt64, max: math.MaxInt64}
	for _, schema := range all {
		s.gather(t, &f, schema)
	}
	switch {
	case len(f.fixed) > 0:
		return rapid.SampledFrom(f.fixed).Draw(t, "one of")
	case f.kind == "null":
		return nil
	case f.kind == "integer":
		return json.Number(strconv.FormatInt(rapid.Int64Range(f.min, f.max).Draw(t, "integer"), 10))
	case f.kind == "string":
		return f.text(t)
	case f.kind == "array":
		list := make([]any, rapid.IntRange(0, 4).Draw(t, "items"))
		for i := range list {
			list[i] = s.value(t, f.items)
		}
		return list
	case f.kind == "object":
		return s.object(t, &f)
	}
	t.Fatalf("the generator makes no %q", f.kind)
	return nil
}

func (s schemas) object(t *rapid.T, f *facets) any {
	object := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(f.properties)) {
		if name == "data_base64" { // it stands for data, which no schema looks into there
			continue
		}
		if name == "data" || slices.Contains(f.required, name) || rapid.Bool().Draw(t, "has "+name) {
			object[name] = s.value(t, f.properties[name]...)
		}
	}
	return object
}

func (f *facets) text(t *rapid.T) string {
	inYears := slices.ContainsFunc(f.patterns, func(p string) bool { return strings.HasPrefix(p, "^(19|2") })
	switch f.format {
	case "date":
		return anyDay(t, inYears).Format(time.DateOnly)
	case "date-time":
		return anyTime(t, inYears)
	}
	for _, pattern := range f.patterns {
		switch {
		case pattern == `^[^\x00]*$`:
		case inYears: // a month
			return anyDay(t, inYears).Format("2006-01")
		default:
			return rapid.StringMatching(strings.ReplaceAll(pattern, "$", `\z`)).Draw(t, "text")
		}
	}
	if f.high > 0 && rapid.IntRange(0, 9).Draw(t, "longest") == 0 {
		return strings.Repeat("ы", f.high)
	}
	text := strings.ReplaceAll(rapid.StringN(f.low, min(f.high, 40), -1).Draw(t, "text"), "\x00", "0")
	return text
}

func anyDay(t *rapid.T, inYears bool) time.Time {
	first, last := 1, 9998
	if inYears {
		first, last = 1900, 2999
	}
	day := time.Date(rapid.IntRange(first, last).Draw(t, "year"), 1, 1, 0, 0, 0, 0, time.UTC)
	return day.AddDate(0, 0, rapid.IntRange(0, 364).Draw(t, "day"))
}

func anyTime(t *rapid.T, inYears bool) string {
	at := anyDay(t, inYears).Add(time.Duration(rapid.IntRange(0, 24*60*60-1).Draw(t, "second")) * time.Second)
	zone := rapid.SampledFrom([]int{0, 3 * 60, -(3*60 + 30), 14 * 60, -12 * 60}).Draw(t, "zone")
	text := at.In(time.FixedZone("", zone*60)).Format("2006-01-02T15:04:05") + rapid.StringMatching(`(\.[0-9]{1,12})?`).Draw(t, "fraction")
	if zone == 0 {
		text += rapid.SampledFrom([]string{"Z", "z", "+00:00", "-00:00"}).Draw(t, "UTC")
	} else {
		text += at.In(time.FixedZone("", zone*60)).Format("-07:00")
	}
	return strings.Replace(text, "T", rapid.SampledFrom([]string{"T", "t"}).Draw(t, "T"), 1)
}

// spelling writes JSON in one of the many ways that there are.
type spelling struct {
	strings.Builder
	t *rapid.T
}

func spell(t *rapid.T, v any) string {
	s := &spelling{t: t}
	s.value(v)
	return s.String()
}

func (s *spelling) draw(ways ...string) string { return rapid.SampledFrom(ways).Draw(s.t, "spelled") }

func (s *spelling) blank() { s.WriteString(s.draw("", "", " ", "\n\t", "\r\n")) }

func (s *spelling) value(v any) {
	s.blank()
	switch v := v.(type) {
	case map[string]any:
		s.object(v)
	case []any:
		s.WriteByte('[')
		for i, item := range v {
			if i > 0 {
				s.WriteByte(',')
			}
			s.value(item)
		}
		s.WriteByte(']')
	case string:
		s.text(v)
	case json.Number:
		s.number(string(v))
	case int:
		s.number(strconv.Itoa(v))
	default:
		fmt.Fprint(s, map[bool]string{true: "null", false: fmt.Sprint(v)}[v == nil])
	}
	s.blank()
}

func (s *spelling) object(v map[string]any) {
	names := slices.Sorted(maps.Keys(v))
	if len(names) > 1 {
		names = rapid.Permutation(names).Draw(s.t, "order")
	}
	s.WriteByte('{')
	s.WriteString(s.draw("", "", `"unknown":{"a":[1,"\ud800",null]},`, `"amount":1e400000,`, `"":"\u0000",`))
	for i, name := range names {
		if i > 0 {
			s.WriteByte(',')
		}
		s.blank()
		s.text(name)
		s.WriteByte(':')
		s.value(v[name])
	}
	if text := s.String(); len(names) == 0 && strings.HasSuffix(text, ",") {
		s.WriteString(`"more":true`)
	}
	s.WriteByte('}')
}

// text writes all characters by escapes, those that must be, or these and some more.
func (s *spelling) text(text string) {
	way := s.draw("", "", "all", "some")
	s.WriteByte('"')
	for i, r := range text {
		switch {
		case way == "all" || way == "some" && i%3 == 0 || r < ' ':
			for _, unit := range utf16Of(r) {
				fmt.Fprintf(s, `\u%04x`, unit)
			}
		case r == '"' || r == '\\' || way != "" && r == '/':
			s.WriteByte('\\')
			s.WriteRune(r)
		default:
			s.WriteRune(r)
		}
	}
	s.WriteByte('"')
}

func utf16Of(r rune) []uint16 {
	if r < 0x10000 {
		return []uint16{uint16(r)}
	}
	return []uint16{uint16(0xd800 + (r-0x10000)>>10), uint16(0xdc00 + (r-0x10000)&0x3ff)}
}

var whole = regexp.MustCompile(`^(-?)([0-9])([0-9]*)$`)

func (s *spelling) number(n string) {
	parts := whole.FindStringSubmatch(n)
	if parts == nil || n == "0" {
		s.WriteString(n)
		return
	}
	s.WriteString(s.draw(n, n, n+".0", n+".000", n+"e0", n+"E-0", n+"0e-1", n+"00.0e-2",
		fmt.Sprintf("%s%s.%se%d", parts[1], parts[2], cmp.Or(parts[3], "0"), len(parts[3])),
		fmt.Sprintf("%s0.0%s%sE+%02d", parts[1], parts[2], parts[3], len(parts[3])+2)))
}

// replacements are put in the place of any value.
var replacements = []any{
	nil, true, "", "x", "\x00", "885", "2026-04", "2026-13", "2026-02-30", "1899-12-31", "2999-12-31", "3000-01-01", "9999-12-31", "2026-04-20",
	"2026-01-10T09:00:00Z", "1899-12-31T23:59:59Z", "2026-01-10 09:00:00Z", "2026-01-10T24:00:00Z", "applied", "RUB", "rub", "1.0",
	strings.Repeat("x", 200), strings.Repeat("ы", 201), strings.Repeat("x", 500), strings.Repeat("x", 501), strings.Repeat("x", 1001),
	json.Number("0"), json.Number("-1"), json.Number("1.5"), json.Number("885.00000000000000000001"), json.Number("1e30"), json.Number("9223372036854775807"), json.Number("9223372036854775808"),
	json.Number("1000000000000000"), json.Number("1000000000000001"), json.Number("-1000000000000001"), json.Number("2147483647"), json.Number("2147483648"), []any{}, map[string]any{},
}

// mutate leaves out or replaces a value somewhere in an object, and says where.
func mutate(t *rapid.T, object map[string]any) string {
	name := rapid.SampledFrom(slices.Sorted(maps.Keys(object))).Draw(t, "field")
	if inner, path := within(t, object[name]); inner != nil && rapid.IntRange(0, 3).Draw(t, "deeper") > 0 {
		return name + path + "." + mutate(t, inner)
	}
	if rapid.IntRange(0, 4).Draw(t, "left out") == 0 {
		delete(object, name)
		return name + " left out"
	}
	object[name] = rapid.SampledFrom(replacements).Draw(t, "replacement")
	return fmt.Sprintf("%s = %.60v", name, object[name])
}

// within is an object in a value, if there is one that has fields.
func within(t *rapid.T, value any) (map[string]any, string) {
	if list, ok := value.([]any); ok && len(list) > 0 {
		i := rapid.IntRange(0, len(list)-1).Draw(t, "item")
		object, path := within(t, list[i])
		return object, fmt.Sprintf("[%d]%s", i, path)
	}
	if object, ok := value.(map[string]any); ok && len(object) > 0 {
		return object, ""
	}
	return nil, ""
}
