package bench

import (
	"cmp"
	"database/sql"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// sizes are the numbers of invoices or documents, REFERRAL_TEST_BENCH_SIZES=10000,100000
// for others than the default.
func sizes(b *testing.B, usual string) []int {
	b.Helper()
	return numbers(b, "REFERRAL_TEST_BENCH_SIZES", usual)
}

// rounds is how often subject and baseline take turns.
func rounds(b *testing.B) int {
	b.Helper()
	return numbers(b, "REFERRAL_TEST_BENCH_ROUNDS", "3")[0]
}

// inBatch is the messages in a transaction, which is the default of the setting
// kafka.batch_size.
func inBatch(b *testing.B) int {
	b.Helper()
	return numbers(b, "REFERRAL_TEST_BENCH_BATCH", "2000")[0]
}

func numbers(b *testing.B, variable, usual string) []int {
	b.Helper()
	text := os.Getenv(variable)
	if text == "" {
		text = usual
	}
	var list []int
	for s := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(s)
		if err != nil {
			b.Fatalf("%s: %v", variable, err)
		}
		list = append(list, n)
	}
	return list
}

// measured is what a piece of work took.
type measured struct {
	took  time.Duration
	cpu   spent
	peak  float64 // MiB
	bytes int64   // by which the database has grown
	wal   int64   // bytes written ahead
}

// measurement is one that has begun.
type measurement struct {
	b      *testing.B
	db     *sql.DB
	meters meters
	before measured
	began  time.Time
}

// begin has the database write out what came before, and begins to measure. k is
// nil when no broker takes part.
func begin(b *testing.B, db *sql.DB, k *broker) *measurement {
	b.Helper()
	execute(b, db, "CHECKPOINT")
	m := &measurement{b: b, db: db, meters: newMeters(b, db, k)}
	m.before.bytes, m.before.wal = volume(b, db)
	forgetPeak(b)
	m.start()
	return m
}

// start sets the clock and the processor time to zero.
func (m *measurement) start() { m.before.cpu, m.began = m.meters.read(), time.Now() }

func (m *measurement) end() measured {
	m.b.Helper()
	result := measured{took: time.Since(m.began), cpu: m.meters.read().minus(m.before.cpu), peak: peakMemory(m.b)}
	result.bytes, result.wal = volume(m.b, m.db)
	result.bytes -= m.before.bytes
	result.wal -= m.before.wal
	return result
}

// retire leaves a database to the server that has nothing to do in it any more: no
// autovacuum of it weighs on later measurements.
func retire(b *testing.B, db *sql.DB) {
	b.Helper()
	execute(b, db, "VACUUM ANALYZE")
}

// volume is the size of the database, and how much its server has ever written
// ahead.
func volume(b *testing.B, db *sql.DB) (size, wal int64) {
	b.Helper()
	const read = "SELECT pg_database_size(current_database()), pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint"
	if err := db.QueryRow(read).Scan(&size, &wal); err != nil {
		b.Fatal(err)
	}
	return size, wal
}

// series is rounds of the same work.
type series []measured

// best is the time of the fastest round: whatever else the machine does only ever
// slows a round down.
func (s series) best() time.Duration {
	return slices.MinFunc(s, func(x, y measured) int { return cmp.Compare(x.took, y.took) }).took
}

// cpu is the least processor time of the rounds.
func (s series) cpu() spent {
	return slices.MinFunc(s, func(x, y measured) int { return cmp.Compare(x.cpu.sum(), y.cpu.sum()) }).cpu
}

func (s series) peak() float64 {
	return slices.MaxFunc(s, func(x, y measured) int { return cmp.Compare(x.peak, y.peak) }).peak
}

func (s series) perSecond(n int) float64 { return float64(n) / s.best().Seconds() }

// report gives the figures of work on n things.
func (s series) report(b *testing.B, n int, things string) {
	b.Helper()
	reportCPU(b, s.cpu(), n, "")
	b.ReportMetric(s.perSecond(n), things+"/s")
	b.ReportMetric(s.peak(), "peak_MiB")
	b.ReportMetric(0, "ns/op")
}

// reportVolume gives the bytes for each of n invoices, and as a part of what the
// normalised schema took: 820 bytes and 1108 of WAL for one that was taken, 173
// and 202 for the share of the documents in it, with a fifth of the accounts
// discounted.
func (s series) reportVolume(b *testing.B, n int, bytesBefore, walBefore float64) {
	b.Helper()
	last := s[len(s)-1]
	b.ReportMetric(float64(last.bytes)/float64(n), "disk_B")
	b.ReportMetric(float64(last.bytes)/float64(n)/bytesBefore, "x_of_disk_before")
	b.ReportMetric(float64(last.wal)/float64(n), "wal_B")
	b.ReportMetric(float64(last.wal)/float64(n)/walBefore, "x_of_wal_before")
}

// compare gives the speed of the subject as a multiple of a baseline's: of the
// fastest rounds, of the median pair of successive rounds, since what the
// machine does besides slows both of a pair, and by processor time.
func compare(b *testing.B, n int, things string, subject, baseline series, name string) {
	b.Helper()
	pairs := make([]float64, len(subject))
	for i := range pairs {
		pairs[i] = baseline[i].took.Seconds() / subject[i].took.Seconds()
	}
	b.ReportMetric(subject.perSecond(n)/baseline.perSecond(n), "x_of_"+name)
	b.ReportMetric(median(pairs), "x_of_"+name+"_in_pairs")
	b.ReportMetric(baseline.cpu().sum().Seconds()/subject.cpu().sum().Seconds(), "x_of_"+name+"_cpu")
	b.ReportMetric(baseline.perSecond(n), name+"_"+things+"/s")
	reportCPU(b, baseline.cpu(), n, name+"_")
}

func median(list []float64) float64 {
	sorted := slices.Sorted(slices.Values(list))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// forgetPeak gives unused memory back and makes the present size of this process
// the largest one so far.
func forgetPeak(b *testing.B) {
	b.Helper()
	debug.FreeOSMemory()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		b.Fatal(err)
	}
}

// peakMemory is the largest resident size of this process since [forgetPeak], in
// MiB.
func peakMemory(b *testing.B) float64 {
	b.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			if err != nil {
				b.Fatal(err)
			}
			return kb / 1024
		}
	}
	b.Fatal("no VmHWM in /proc/self/status")
	return 0
}
