package renewal_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

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

func TestNewNeedsTheFile(t *testing.T) {
	t.Parallel()
	_, err := renewal.New(func() ([]byte, error) { return os.ReadFile("absent") }, []string{"absent"}, func(error) {})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
