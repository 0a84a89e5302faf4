package portal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// schemas is openapi.yaml, which answers are checked against.
type schemas struct {
	document map[string]any

	mu       sync.Mutex // the compiler is for one at a time
	compiler *jsonschema.Compiler
}

const openapi = "openapi.json"

func readSchemas(t *testing.T) *schemas {
	t.Helper()
	text, err := os.ReadFile("../../openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var document map[string]any
	if err := yaml.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	resource, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource(openapi, resource); err != nil {
		t.Fatal(err)
	}
	return &schemas{document: document, compiler: c}
}

// check checks an answer against the schema of its operation, status and content type.
func (s *schemas) check(t *testing.T, pattern string, a *answer) {
	t.Helper()
	method, path, _ := strings.Cut(pattern, " ")
	kind := a.header.Get("Content-Type")
	pointer := fmt.Sprintf("/paths/%s/%s/responses/%d/content/%s/schema", escaped(path), strings.ToLower(method), a.status, escaped(kind))
	s.mu.Lock()
	schema, err := s.compiler.Compile(openapi + "#" + pointer)
	s.mu.Unlock()
	if err != nil {
		t.Errorf("the document knows no answer %d of %s as %s: %v; it was %s", a.status, pattern, kind, err, a.text)
		return
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(a.text))
	if err == nil {
		err = schema.Validate(value)
	}
	if err != nil {
		t.Errorf("the answer of %s is not as the document says: %v\n%s", pattern, err, a.text)
	}
	if err := json.Unmarshal([]byte(a.text), &a.body); err != nil {
		t.Errorf("the answer of %s is no object: %v", pattern, err)
	}
}

func escaped(s string) string {
	return strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(s)
}
