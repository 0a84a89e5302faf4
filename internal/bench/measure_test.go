package bench

import (
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

// rounds is how often subject and baseline take turns. Of each the fastest round
// counts: whatever else the machine does only ever slows a round down.
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

// best is the fastest of several rounds.
type best time.Duration

func (t *best) note(took time.Duration) {
	if *t == 0 || took < time.Duration(*t) {
		*t = best(took)
	}
}

// perSecond is the rate of n things in the fastest round.
func (t best) perSecond(n int) float64 { return float64(n) / time.Duration(t).Seconds() }

// pairs is how the times of two things that took turns relate, turn by turn.
type pairs []float64

func (p *pairs) note(subject, baseline time.Duration) {
	*p = append(*p, baseline.Seconds()/subject.Seconds())
}

// median is the speed of the subject in multiples of the baseline's: what the
// machine does besides weighs on both of a pair.
func (p pairs) median() float64 {
	sorted := slices.Sorted(slices.Values(p))
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
