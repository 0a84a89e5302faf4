package renewal_test

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"referral/internal/renewal"
)

func TestValueFollowsItsFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "secret")
	written := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	write := func(text string) {
		t.Helper()
		written = written.Add(time.Second)
		if err := errors.Join(os.WriteFile(file+".new", []byte(text), 0o600), os.Chtimes(file+".new", written, written), os.Rename(file+".new", file)); err != nil {
			t.Fatal(err)
		}
	}
	write("first")
	read := 0
	var reports []string
	v, err := renewal.New(func() (string, error) {
		read++
		text, err := os.ReadFile(file)
		if err == nil && len(text) == 0 {
			err = errors.New("empty")
		}
		return string(text), err
	}, []string{file}, func(err error) {
		report := "renewed"
		if err != nil {
			report = err.Error()
		}
		reports = append(reports, report)
	})
	if err != nil {
		t.Fatal(err)
	}
	want := func(value string, times int, told ...string) {
		t.Helper()
		if got := v.Get(); got != value || read != times || !slices.Equal(reports, told) {
			t.Errorf("got %q, read %d times, reports %q; want %q, %d, %q", got, read, reports, value, times, told)
		}
	}
	want("first", 1)
	want("first", 1)
	write("second")
	want("second", 2, "renewed")
	write("")
	want("second", 3, "renewed", "empty")
	want("second", 4, "renewed", "empty")
	write("third")
	want("third", 5, "renewed", "empty", "renewed")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	missing := "open " + file + ": no such file or directory"
	want("third", 6, "renewed", "empty", "renewed", missing)
	write("fourth")
	want("fourth", 7, "renewed", "empty", "renewed", missing, "renewed")
}

// A file that comes back as it was is in use again, and each scrape looks.
func TestFilesShowWhatCannotBeUsed(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("first"), 0o600); err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	f := renewal.NewFiles(slog.New(slog.DiscardHandler), registry)
	if _, err := renewal.Read(f, "password_file", func() ([]byte, error) { return os.ReadFile(file) }, file, ""); err != nil {
		t.Fatal(err)
	}
	want := func(unusable, failed, renewed int) {
		t.Helper()
		text := fmt.Sprintf(`
			# HELP referral_files_unusable Whether a file of the setting has changed and cannot be used, so that what it held before stays in use: 1 or 0.
			# TYPE referral_files_unusable gauge
			referral_files_unusable{setting="password_file"} %d
		`, unusable)
		if err := testutil.GatherAndCompare(registry, strings.NewReader(text), "referral_files_unusable"); err != nil {
			t.Error(err)
		}
		text = fmt.Sprintf(`
			# HELP referral_files_renewals_total Files of certificates and secrets that have changed while the program ran, by the setting that names them: renewed, or failed, and what they held before stays in use.
			# TYPE referral_files_renewals_total counter
			referral_files_renewals_total{result="failed",setting="password_file"} %d
			referral_files_renewals_total{result="renewed",setting="password_file"} %d
		`, failed, renewed)
		if err := testutil.GatherAndCompare(registry, strings.NewReader(text), "referral_files_renewals_total"); err != nil {
			t.Error(err)
		}
	}
	want(0, 0, 0)
	if err := os.Rename(file, file+".away"); err != nil {
		t.Fatal(err)
	}
	want(1, 1, 0)
	want(1, 1, 0)
	if err := os.Rename(file+".away", file); err != nil {
		t.Fatal(err)
	}
	want(0, 1, 1)
}

func TestNewNeedsTheFile(t *testing.T) {
	t.Parallel()
	_, err := renewal.New(func() ([]byte, error) { return os.ReadFile("absent") }, []string{"absent"}, func(error) {})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
