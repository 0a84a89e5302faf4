package archive

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"referral/internal/subprocess"
	"referral/models"
)

// Writer adds messages to an archive, as the store of a consumer of its own. What it has
// taken is on the disk. Messages that it has already are left out.
type Writer struct {
	directory string
	limit     int64 // bytes of a segment before it is compressed

	mu       sync.Mutex
	lock     *subprocess.Lock
	manifest Manifest
	open     map[partition]*openSegment
	last     map[partition]int64 // offset that is in the archive; absent for none
	before   map[partition]int64 // that when it was opened
	messages int64               // added by this writer
}

// openSegment is the file that a partition is being written to.
type openSegment struct {
	Segment
	path string
	file *os.File
	size int64
}

// segmentBytes keeps a segment small enough to be read again in a moment.
const segmentBytes = 64 << 20

// Create opens an archive to be continued, or begins one of this id in an empty or
// missing directory. It waits, after calling waiting, while another process writes to it.
func Create(ctx context.Context, directory, id string, waiting func()) (*Writer, error) {
	w := &Writer{directory: directory, limit: segmentBytes, open: map[partition]*openSegment{}, last: map[partition]int64{}}
	err := os.MkdirAll(directory, 0o700) // the messages hold personal data
	if err == nil {
		w.lock, err = subprocess.WaitLock(ctx, filepath.Join(directory, "lock"), waiting)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the archive: %w", err)
	}
	if err := w.load(id); err != nil {
		return nil, errors.Join(fmt.Errorf("opening the archive: %w", err), w.lock.Release())
	}
	return w, nil
}

func (w *Writer) load(id string) (err error) {
	w.manifest, err = readManifest(w.directory)
	if errors.Is(err, fs.ErrNotExist) {
		w.manifest = Manifest{ID: id, Topics: map[string]string{}}
		err = w.manifest.write(w.directory)
	}
	if err != nil {
		return err
	}
	for i := range w.manifest.Segments {
		s := &w.manifest.Segments[i]
		w.keepLast(s.partition(), s.Last)
	}
	if err := w.recover(); err != nil {
		return err
	}
	w.before = maps.Clone(w.last)
	return nil
}

func (w *Writer) keepLast(p partition, offset int64) {
	if last, known := w.last[p]; !known || offset > last {
		w.last[p] = offset
	}
}

// recover continues the segments that a process left open when it was killed.
func (w *Writer) recover() error {
	paths, err := filepath.Glob(filepath.Join(w.directory, "*@*", "*", "*.jsonl"))
	if err != nil {
		return err
	}
	for _, path := range paths {
		if err := w.recoverSegment(path); err != nil {
			return fmt.Errorf("continuing %s: %w", path, err)
		}
	}
	return nil
}

// recoverSegment reads what is whole of an open segment and cuts off the rest. One that
// was compressed before the process died is deleted.
func (w *Writer) recoverSegment(path string) error {
	relative, err := filepath.Rel(w.directory, path)
	if err != nil {
		return err
	}
	var p partition
	var first int64
	parts := strings.Split(relative, string(filepath.Separator))
	at := strings.LastIndex(parts[0], "@")
	p.topic, p.id = parts[0][:at], parts[0][at+1:]
	if _, err := fmt.Sscanf(parts[1]+" "+parts[2], "%d %d.jsonl", &p.number, &first); err != nil {
		return fmt.Errorf("its name is not that of a segment: %w", err)
	}
	if slices.ContainsFunc(w.manifest.Segments, func(s Segment) bool { return s.partition() == p && s.First == first }) {
		return os.Remove(path)
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	s := &openSegment{Segment: Segment{Topic: p.topic, TopicID: p.id, Partition: p.number, First: first}, path: path, file: file}
	lines := bufio.NewReader(file)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		var r record
		if json.Unmarshal(line, &r) != nil {
			break
		}
		s.Last, s.Messages, s.size = r.Offset, s.Messages+1, s.size+int64(len(line))
		w.keepLast(p, r.Offset)
	}
	if s.Messages == 0 {
		return errors.Join(file.Close(), os.Remove(path))
	}
	w.open[p] = s
	return file.Truncate(s.size)
}

// ID is the archive's.
func (w *Writer) ID() string { return w.manifest.ID }

// Messages is how many have been added since the archive was opened.
func (w *Writer) Messages() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.messages
}

// TopicIDs is the ids that were recorded last.
func (w *Writer) TopicIDs(context.Context) (map[string]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.manifest.Topics), nil
}

// RecordTopicID records which topic of a name the next messages are of.
func (w *Writer) RecordTopicID(_ context.Context, topic, id string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.manifest.Topics[topic] == id {
		return nil
	}
	w.manifest.Topics[topic] = id // also when it cannot be written: the next messages are of that topic
	return w.manifest.write(w.directory)
}

// NoteGaps notes which messages the topics no longer held when the archive was opened:
// starts is where their partitions began then. It is called when the topics are known.
func (w *Writer) NoteGaps(starts map[string]map[int]int64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	complete := w.manifest
	complete.Gaps = slices.Clone(w.manifest.Gaps)
	for topic, partitions := range starts {
		for number, start := range partitions {
			p := partition{topic, w.manifest.Topics[topic], number}
			from := int64(0)
			if last, known := w.before[p]; known {
				from = last + 1
			}
			g := Gap{Topic: topic, TopicID: p.id, Partition: number, From: from, To: start}
			if from < start && !slices.Contains(complete.Gaps, g) {
				complete.Gaps = append(complete.Gaps, g)
			}
		}
	}
	err := complete.write(w.directory)
	if err == nil {
		w.manifest = complete
	}
	return err
}

// addition is what a batch adds to a partition.
type addition struct {
	lines       []byte
	first, last int64
	messages    int64
}

// Ingest adds a batch of messages, whatever was read from them. After an error it may be
// called again with the same batch.
func (w *Writer) Ingest(_ context.Context, batch []models.DecodedMessage, _ models.DeriveFunc) ([]models.Disposition, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	dispositions := make([]models.Disposition, len(batch))
	additions := map[partition]addition{}
	for i := range batch {
		m := &batch[i].Message
		p := partition{m.Origin.Topic, w.manifest.Topics[m.Origin.Topic], m.Origin.Partition}
		add := additions[p]
		if last, known := w.last[p]; known && m.Origin.Offset <= last || add.messages > 0 && m.Origin.Offset <= add.last {
			dispositions[i] = models.Repeated
			continue
		}
		line, err := json.Marshal(recordOf(m))
		if err != nil {
			return nil, fmt.Errorf("archiving %s/%d at %d: %w", m.Origin.Topic, m.Origin.Partition, m.Origin.Offset, err)
		}
		if add.messages == 0 {
			add.first = m.Origin.Offset
		}
		add.lines = append(append(add.lines, line...), '\n')
		add.last, add.messages = m.Origin.Offset, add.messages+1
		additions[p], dispositions[i] = add, models.Applied
	}
	for p, add := range additions {
		if err := w.add(p, add); err != nil {
			return nil, fmt.Errorf("archiving %s/%d: %w", p.topic, p.number, err)
		}
	}
	return dispositions, nil
}

// add appends to the segment of a partition. What a failed attempt has written is
// overwritten by the next one.
func (w *Writer) add(p partition, add addition) error {
	s, err := w.segment(p, add.first)
	if err != nil {
		return err
	}
	if _, err := s.file.WriteAt(add.lines, s.size); err != nil {
		return err
	}
	if err := s.file.Sync(); err != nil {
		return err
	}
	s.size += int64(len(add.lines))
	s.Last, s.Messages = add.last, s.Messages+add.messages
	w.messages += add.messages
	w.keepLast(p, add.last)
	if s.size < w.limit {
		return nil
	}
	return w.finish(s)
}

// segment is the one that the next message of a partition goes to.
func (w *Writer) segment(p partition, first int64) (*openSegment, error) {
	if s := w.open[p]; s != nil {
		return s, nil
	}
	directory := filepath.Join(w.directory, p.directory())
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return nil, fmt.Errorf("making a directory of the archive: %w", err)
	}
	path := filepath.Join(directory, fmt.Sprintf("%020d.jsonl", first))
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err == nil {
		err = syncDirectory(directory)
	}
	if err != nil {
		return nil, fmt.Errorf("beginning a segment of the archive: %w", err)
	}
	s := &openSegment{Segment: Segment{Topic: p.topic, TopicID: p.id, Partition: p.number, First: first}, path: path, file: file}
	w.open[p] = s
	return s, nil
}

// finish compresses a segment and enters it in the manifest.
func (w *Writer) finish(s *openSegment) error {
	digest, err := compress(s.path, s.path+".gz")
	if err != nil {
		return err
	}
	file, err := filepath.Rel(w.directory, s.path+".gz")
	if err != nil {
		return err
	}
	s.File, s.SHA256 = filepath.ToSlash(file), digest
	complete := w.manifest
	complete.Segments = append(slices.Clone(w.manifest.Segments), s.Segment)
	if err := complete.write(w.directory); err != nil {
		return err
	}
	w.manifest = complete
	delete(w.open, s.partition())
	return errors.Join(s.file.Close(), os.Remove(s.path))
}

// compress writes a compressed copy of a file, and returns its SHA-256.
func compress(from, to string) (digest string, err error) {
	source, err := os.Open(from)
	if err != nil {
		return "", err
	}
	defer source.Close() //nolint:errcheck // it is only read
	target, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	compressor := gzip.NewWriter(io.MultiWriter(target, hash))
	_, err = io.Copy(compressor, source)
	err = errors.Join(err, compressor.Close(), target.Sync(), target.Close())
	return hex.EncodeToString(hash.Sum(nil)), errors.Join(err, syncDirectory(filepath.Dir(to)))
}

// Close compresses what is open and gives the archive up.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	var errs []error
	for _, s := range w.open {
		errs = append(errs, w.finish(s))
	}
	return errors.Join(append(errs, w.lock.Release())...)
}
