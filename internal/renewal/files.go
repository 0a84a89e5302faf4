package renewal

import (
	"log/slog"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Files is all that a process has read from files. It logs and counts what becomes of
// them, and looks at them at each scrape too: that a file cannot be used is known before
// the next connection needs it.
type Files struct {
	log      *slog.Logger
	renewals *prometheus.CounterVec

	mu      sync.Mutex
	sources []source
}

// source is a value, and the setting that names its files.
type source struct {
	setting string
	usable  func() bool
}

// NewFiles shows its metrics by a registerer.
func NewFiles(log *slog.Logger, registerer prometheus.Registerer) *Files {
	f := &Files{log: log, renewals: promauto.With(registerer).NewCounterVec(prometheus.CounterOpts{
		Namespace: "referral", Subsystem: "files", Name: "renewals_total",
		Help: "Files of certificates and secrets that have changed while the program ran, by the setting that names them: renewed, or failed, and what they held before stays in use.",
	}, []string{"result", "setting"})}
	registerer.MustRegister(f)
	return f
}

// Read is [New] for the files that a setting names. Their names may be empty.
func Read[T any](f *Files, setting string, load func() (T, error), files ...string) (*Value[T], error) {
	renewed, failed := f.renewals.WithLabelValues("renewed", setting), f.renewals.WithLabelValues("failed", setting)
	v, err := New(load, files, func(err error) {
		if err != nil {
			failed.Inc()
			f.log.Error("a file has changed and cannot be used; what it held before stays in use", "setting", setting, "error", err)
			return
		}
		renewed.Inc()
		f.log.Info("a file has changed and was read again", "setting", setting)
	})
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sources = append(f.sources, source{setting, v.usable})
	return v, nil
}

var unusable = prometheus.NewDesc("referral_files_unusable",
	"Whether a file of the setting has changed and cannot be used, so that what it held before stays in use: 1 or 0.", []string{"setting"}, nil)

// Describe names the metric of files that cannot be used.
func (f *Files) Describe(to chan<- *prometheus.Desc) { to <- unusable }

// Collect reads again what has changed, and shows what cannot be used.
func (f *Files) Collect(to chan<- prometheus.Metric) {
	f.mu.Lock()
	sources := f.sources
	f.mu.Unlock()
	shown := map[string]float64{}
	for _, s := range sources {
		bad := 0.0
		if !s.usable() {
			bad = 1
		}
		shown[s.setting] = max(shown[s.setting], bad)
	}
	for setting, bad := range shown {
		to <- prometheus.MustNewConstMetric(unusable, prometheus.GaugeValue, bad, setting)
	}
}
