package recovering_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"referral/internal/recovering"
)

func TestPanicsBecomeErrors(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	registry := prometheus.NewRegistry()
	guard := func(component string) *recovering.Guard {
		g, err := recovering.New(slog.New(slog.NewTextHandler(&log, nil)), registry, component)
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	one, other := guard("one"), guard("other")
	failed := errors.New("failed")
	if err := one.Do(func() error { return failed }); !errors.Is(err, failed) {
		t.Errorf("an error became %v", err)
	}
	if err := one.Do(func() error { panic("out of bounds") }); !errors.Is(err, recovering.ErrPanicked) || err.Error() != "panic: out of bounds" {
		t.Errorf("a panic became %v", err)
	}
	if err := other.Do(func() error { return nil }); err != nil {
		t.Errorf("success became %v", err)
	}
	if said := log.String(); !strings.Contains(said, "out of bounds") || !strings.Contains(said, "recovering_test.go") || !strings.Contains(said, "component=one") {
		t.Errorf("logged: %s", said)
	}
	want := `# HELP referral_panics_total Panics that were recovered, by component. What panicked is tried again.
# TYPE referral_panics_total counter
referral_panics_total{component="one"} 1
referral_panics_total{component="other"} 0
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	if _, err := recovering.New(slog.New(slog.DiscardHandler), taken{}, "third"); err == nil {
		t.Error("a registry that refuses the metric is no error")
	}
}

// A guard of what clients have sent quotes none of it.
func TestPrivateGuardQuotesNoData(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	g, err := recovering.NewPrivate(slog.New(slog.NewTextHandler(&log, nil)), prometheus.NewRegistry(), "web")
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Do(func() error { panic("anna@example.com") }); err == nil || err.Error() != "panic: string" {
		t.Errorf("a panic became %v", err)
	}
	var nobody map[string]int
	if err := g.Do(func() error { nobody["x"] = 1; return nil }); err == nil || !strings.Contains(err.Error(), "nil map") {
		t.Errorf("a panic of the runtime became %v", err)
	}
	if said := log.String(); strings.Contains(said, "anna") || !strings.Contains(said, "nil map") || strings.Count(said, "recovering_test.go") < 2 {
		t.Errorf("logged: %s", said)
	}
	if _, err := recovering.NewPrivate(slog.New(slog.DiscardHandler), taken{}, "web"); err == nil {
		t.Error("a registry that refuses the metric is no error")
	}
}

type taken struct{ prometheus.Registerer }

func (taken) Register(prometheus.Collector) error { return errors.New("refused") }
