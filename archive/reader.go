package archive

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"referral/models"
)

// Reader reads an archive that nobody writes to.
type Reader struct {
	Manifest
	directory string
}

// Open opens an archive to read.
func Open(directory string) (*Reader, error) {
	m, err := readManifest(directory)
	if err != nil {
		return nil, fmt.Errorf("opening the archive: %w", err)
	}
	return &Reader{Manifest: m, directory: directory}, nil
}

func compareSegments(a, b Segment) int {
	return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.TopicID, b.TopicID), cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.First, b.First))
}

// Of is the segments of topics, in the order of partitions and offsets.
func (r *Reader) Of(topics ...string) (segments []Segment) {
	for _, s := range r.Segments {
		if slices.Contains(topics, s.Topic) {
			segments = append(segments, s)
		}
	}
	return segments
}

// Messages is how many messages of topics the archive holds.
func (r *Reader) Messages(topics ...string) (n int64) {
	for _, s := range r.Of(topics...) {
		n += s.Messages
	}
	return n
}

// Read hands over the messages of a segment in their order. It fails at the end when the
// file is not the one that the manifest names.
func (r *Reader) Read(s Segment, see func(models.Message) error) error {
	if err := r.read(s, see); err != nil {
		return fmt.Errorf("reading segment %s of the archive: %w", s.File, err)
	}
	return nil
}

func (r *Reader) read(s Segment, see func(models.Message) error) error {
	if !filepath.IsLocal(s.File) {
		return errors.New("its name leads out of the archive")
	}
	file, err := os.Open(filepath.Join(r.directory, filepath.FromSlash(s.File)))
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // it is only read
	hash := sha256.New()
	raw := bufio.NewReader(io.TeeReader(file, hash))
	unpacked, err := gzip.NewReader(raw)
	if err != nil {
		return fmt.Errorf("it is damaged: %w", err)
	}
	lines := json.NewDecoder(unpacked)
	var messages, last int64
	for {
		var rec record
		err := lines.Decode(&rec)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("it is damaged after offset %d: %w", last, err)
		}
		messages, last = messages+1, rec.Offset
		if err := see(rec.message(s.Topic, s.Partition)); err != nil {
			return err
		}
	}
	if _, err := io.Copy(io.Discard, raw); err != nil {
		return err
	}
	switch digest := hex.EncodeToString(hash.Sum(nil)); {
	case digest != s.SHA256:
		return fmt.Errorf("its SHA-256 is %s, the manifest says %s: it was altered", digest, s.SHA256)
	case messages != s.Messages || last != s.Last:
		return fmt.Errorf("it holds %d messages up to offset %d, the manifest says %d up to %d", messages, last, s.Messages, s.Last)
	}
	return nil
}

// Verify reads every segment, and returns what is wrong with each that is not whole.
func (r *Reader) Verify() (messages int64, errs []error) {
	for _, s := range r.Segments {
		if err := r.Read(s, func(models.Message) error { messages++; return nil }); err != nil {
			errs = append(errs, err)
		}
	}
	return messages, errs
}
