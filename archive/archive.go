// Package archive keeps the messages of topics in files, beyond the time for
// which a broker keeps them. An archive is a directory:
//
//	manifest.json                                   what is in it, with the SHA-256 of each segment
//	<topic>@<topic id>/<partition>/<offset>.jsonl.gz  a segment: a JSON object a message, in the order of their offsets
//	<topic>@<topic id>/<partition>/<offset>.jsonl     the segment that is being written
//
// A topic that was deleted and made again has another id, and a directory of its own.
package archive

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"referral/models"
)

const manifestName = "manifest.json"

// Manifest is what an archive holds.
type Manifest struct {
	ID       string            `json:"id"`     // of the archive: its consumer group is named after it
	Topics   map[string]string `json:"topics"` // the id of each topic that is read now
	Segments []Segment         `json:"segments"`
	Gaps     []Gap             `json:"gaps,omitempty"`
}

// Segment is one file of messages.
type Segment struct {
	Topic     string `json:"topic"`
	TopicID   string `json:"topic_id"`
	Partition int    `json:"partition"`
	First     int64  `json:"first_offset"`
	Last      int64  `json:"last_offset"`
	Messages  int64  `json:"messages"`
	File      string `json:"file"` // within the archive
	SHA256    string `json:"sha256"`
}

// Gap is messages that the topic no longer held when the archive came to them.
type Gap struct {
	Topic     string `json:"topic"`
	TopicID   string `json:"topic_id"`
	Partition int    `json:"partition"`
	From      int64  `json:"from_offset"`
	To        int64  `json:"to_offset"` // exclusive
}

// partition is a partition of one life of a topic.
type partition struct {
	topic, id string
	number    int
}

func (s *Segment) partition() partition { return partition{s.Topic, s.TopicID, s.Partition} }

func (p partition) directory() string {
	return filepath.Join(p.topic+"@"+p.id, strconv.Itoa(p.number))
}

// record is a message in a segment. Bytes that are not UTF-8 are in base64.
type record struct {
	Offset  int64     `json:"offset"`
	Time    time.Time `json:"time,omitzero"`
	Key     *text     `json:"key,omitempty"`
	Value   *text     `json:"value,omitempty"`
	Headers []header  `json:"headers,omitempty"`
}

type header struct {
	Name  string `json:"name"`
	Value *text  `json:"value,omitempty"`
}

// text is bytes as a JSON string, or as {"base64": "…"} where they are not UTF-8.
type text []byte

type binary struct {
	Base64 []byte `json:"base64"`
}

func (t *text) MarshalJSON() ([]byte, error) {
	if utf8.Valid(*t) {
		return json.Marshal(string(*t))
	}
	return json.Marshal(binary{*t})
}

func (t *text) UnmarshalJSON(data []byte) error {
	var s string
	err := json.Unmarshal(data, &s)
	if err == nil {
		*t = text(s)
		return nil
	}
	var b binary
	err = json.Unmarshal(data, &b)
	*t = b.Base64
	return err
}

// optional keeps nil apart from nothing: a tombstone is a message without a value.
func optional(b []byte) *text {
	if b == nil {
		return nil
	}
	t := text(b)
	return &t
}

func (t *text) bytes() []byte {
	if t == nil {
		return nil
	}
	return append([]byte{}, *t...)
}

func recordOf(m *models.Message) record {
	r := record{Offset: m.Origin.Offset, Time: m.At, Key: optional(m.Key), Value: optional(m.Value)}
	for _, h := range m.Headers {
		r.Headers = append(r.Headers, header{h.Key, optional(h.Value)})
	}
	return r
}

func (r *record) message(topic string, number int) models.Message {
	m := models.Message{
		Origin: models.Origin{Topic: topic, Partition: number, Offset: r.Offset},
		Key:    r.Key.bytes(), Value: r.Value.bytes(), At: r.Time,
	}
	for _, h := range r.Headers {
		m.Headers = append(m.Headers, models.Header{Key: h.Name, Value: h.Value.bytes()})
	}
	return m
}

func readManifest(directory string) (m Manifest, err error) {
	file, err := os.ReadFile(filepath.Join(directory, manifestName))
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(file, &m); err != nil {
		return m, fmt.Errorf("reading %s: %w", filepath.Join(directory, manifestName), err)
	}
	if m.ID == "" {
		return m, fmt.Errorf("%s names no archive", filepath.Join(directory, manifestName))
	}
	return m, nil
}

// write replaces the manifest, whole or not at all.
func (m *Manifest) write(directory string) error {
	slices.SortFunc(m.Segments, compareSegments)
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(directory, manifestName)
	if err := writeDurably(path+".new", append(data, '\n')); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	return syncDirectory(directory)
}

func writeDurably(path string, data []byte) (err error) {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	return errors.Join(err, file.Sync(), file.Close())
}

// syncDirectory makes new and renamed files durable.
func syncDirectory(path string) error {
	directory, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(directory.Sync(), directory.Close())
}

// Whereabouts says what an archive knows of a message.
type Whereabouts int

// A message is held by the archive or is none of its topics', had been removed from its
// topic before the archive came to it, or is newer than the archive.
const (
	Held Whereabouts = iota
	Removed
	Later
)

// Find is where a message of a topic is.
func (m *Manifest) Find(o models.Origin) Whereabouts {
	id, known := m.Topics[o.Topic]
	if !known {
		return Held
	}
	for _, g := range m.Gaps {
		if g.Topic == o.Topic && g.Partition == o.Partition && g.From <= o.Offset && o.Offset < g.To {
			return Removed
		}
	}
	last := int64(-1)
	for i := range m.Segments {
		if s := &m.Segments[i]; s.Topic == o.Topic && s.Partition == o.Partition {
			if s.First <= o.Offset && o.Offset <= s.Last {
				return Held
			}
			if s.TopicID == id {
				last = max(last, s.Last)
			}
		}
	}
	if o.Offset > last {
		return Later
	}
	return Held
}
