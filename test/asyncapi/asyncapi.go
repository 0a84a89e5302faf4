// Package asyncapi validates messages by asyncapi.yaml, the machine-readable
// copy of what other systems rely on.
package asyncapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// cloudEvents is the content type of a message whose value is an event.
const cloudEvents = "application/cloudevents+json"

// Contract is the channels and messages of an AsyncAPI document.
type Contract struct {
	channels map[string]channel // by address
}

// channel is the messages of one topic by name, which is the type of the event.
type channel map[string]*message

type message struct {
	event               bool // its value is a CloudEvent
	key, headers, value *jsonschema.Schema
}

// Message is one record of a topic. Of several headers with one name the last
// counts.
type Message struct {
	Topic   string
	Key     string
	Headers map[string]string
	Value   []byte
}

// Load reads an AsyncAPI document from a file.
func Load(file string) (*Contract, error) {
	document, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the contract: %w", err)
	}
	return Parse(document)
}

// document is the part of an AsyncAPI document that is walked through here; the
// schemas are reached by their place in it.
type document struct {
	Channels map[string]struct {
		Address  string
		Messages map[string]struct {
			Ref string `yaml:"$ref"`
		}
	}
	Components struct {
		Messages map[string]struct {
			Name        string
			ContentType string `yaml:"contentType"`
			Headers     any
			Bindings    struct{ Kafka struct{ Key any } }
		}
	}
}

// Parse reads an AsyncAPI 3.0 document. Each message of a channel must be a
// reference to one of the components, whose name is the type of the event.
func Parse(text []byte) (*Contract, error) {
	var doc document
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("parsing asyncapi.yaml: %w", err)
	}
	schemas, err := compiler(text)
	if err != nil {
		return nil, err
	}
	c := &Contract{channels: map[string]channel{}}
	for _, ch := range doc.Channels {
		messages := channel{}
		for _, m := range ch.Messages {
			name, found := strings.CutPrefix(m.Ref, "#/components/messages/")
			component, known := doc.Components.Messages[name]
			if !found || !known {
				return nil, fmt.Errorf("asyncapi.yaml: channel %s: %q is not a message of the components", ch.Address, m.Ref)
			}
			compiled, err := compile(schemas, m.Ref, component.Headers != nil, component.Bindings.Kafka.Key != nil)
			if err != nil {
				return nil, err
			}
			compiled.event = component.ContentType == cloudEvents
			messages[component.Name] = compiled
		}
		c.channels[ch.Address] = messages
	}
	return c, nil
}

// location is where the document lies for its own references. The schemas of an
// AsyncAPI document are a superset of draft 7.
const location = "asyncapi.json"

func compiler(text []byte) (*jsonschema.Compiler, error) {
	var tree any
	if err := yaml.Unmarshal(text, &tree); err != nil {
		return nil, fmt.Errorf("parsing asyncapi.yaml: %w", err)
	}
	asJSON, err := json.Marshal(tree)
	if err != nil {
		return nil, fmt.Errorf("turning asyncapi.yaml into JSON: %w", err)
	}
	resource, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		return nil, fmt.Errorf("turning asyncapi.yaml into JSON: %w", err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft7)
	c.AssertFormat()
	if err := c.AddResource(location, resource); err != nil {
		return nil, fmt.Errorf("asyncapi.yaml: %w", err)
	}
	return c, nil
}

func compile(schemas *jsonschema.Compiler, ref string, headers, key bool) (*message, error) {
	at := func(place string) (*jsonschema.Schema, error) {
		s, err := schemas.Compile(location + ref + place)
		if err != nil {
			return nil, fmt.Errorf("asyncapi.yaml: %w", err)
		}
		return s, nil
	}
	m := &message{}
	var err error
	if m.value, err = at("/payload"); err != nil {
		return nil, err
	}
	if headers {
		if m.headers, err = at("/headers"); err != nil {
			return nil, err
		}
	}
	if key {
		m.key, err = at("/bindings/kafka/key")
	}
	return m, err
}

// Topics lists the addresses of the channels.
func (c *Contract) Topics() []string {
	var topics []string
	for address := range c.channels {
		topics = append(topics, address)
	}
	return topics
}

// Validate returns what of a message differs from the contract: its topic, its
// type, its key, its headers or its value. Events are taken in structured mode.
func (c *Contract) Validate(m Message) error {
	ch, ok := c.channels[m.Topic]
	if !ok {
		return fmt.Errorf("the contract has no topic %s", m.Topic)
	}
	described, value, err := ch.find(m)
	if err != nil {
		return fmt.Errorf("topic %s: %w", m.Topic, err)
	}
	return errors.Join(
		validate(m.Topic+": key", described.key, m.Key),
		validate(m.Topic+": headers", described.headers, asAny(m.Headers)),
		validate(m.Topic+": value", described.value, value),
	)
}

// find is the message that a record claims to be, and its value as far as it is
// JSON.
func (ch channel) find(m Message) (described *message, value any, err error) {
	for _, only := range ch {
		if len(ch) == 1 && !only.event {
			return only, nil, nil
		}
	}
	value, err = jsonschema.UnmarshalJSON(bytes.NewReader(m.Value))
	if err != nil {
		return nil, nil, fmt.Errorf("the value is not JSON: %w", err)
	}
	event, _ := value.(map[string]any)
	name, _ := event["type"].(string)
	described, ok := ch[name]
	if !ok {
		return nil, nil, fmt.Errorf("the topic has no event of type %q", name)
	}
	return described, value, nil
}

func validate(what string, schema *jsonschema.Schema, value any) error {
	if schema == nil {
		return nil
	}
	if err := schema.Validate(value); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func asAny(headers map[string]string) map[string]any {
	m := make(map[string]any, len(headers))
	for k, v := range headers {
		m[k] = v
	}
	return m
}
