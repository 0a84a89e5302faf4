package parts

import (
	"archive/zip"
	"context"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
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

func TestLinksOfUnpackedPackagesAreMended(t *testing.T) {
	dir := t.TempDir()
	prefix, system := filepath.Join(dir, "prefix"), filepath.Join(dir, "system")
	touch(t, filepath.Join(prefix, "etc/java/jvm.cfg"))
	touch(t, filepath.Join(system, "usr/share/java/installed.jar"))
	touch(t, filepath.Join(system, "etc/ssl/cacerts"))
	link(t, "/etc/java/jvm.cfg", filepath.Join(prefix, "usr/lib/jvm/jvm.cfg"))
	link(t, "../java/installed.jar", filepath.Join(prefix, "usr/share/maven/installed.jar"))
	link(t, "/etc/ssl/cacerts", filepath.Join(prefix, "usr/lib/cacerts"))
	link(t, "jvm.cfg", filepath.Join(prefix, "etc/java/same.cfg"))

	must(t, mendLinks(prefix, system))

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

func TestOnceIsDoneOnceAndNeverByHalves(t *testing.T) {
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

func TestPlanLeavesOutWhatTheSystemBrings(t *testing.T) {
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

// TestKeyStoreIsReadByJava asks Java itself, since the format is Java's own.
func TestKeyStoreIsReadByJava(t *testing.T) {
	java, err := Java(t.Context(), t.Output())
	must(t, err)
	bundle, err := systemCertificates()
	must(t, err)
	file := filepath.Join(t.TempDir(), "cacerts")
	must(t, os.WriteFile(file, keyStore(bundle), 0o600))
	out, err := java.Command(t.Context(), "keytool", "-list", "-keystore", file, "-storepass", "changeit").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	count := 0
	for block, rest := pem.Decode(bundle); block != nil; block, rest = pem.Decode(rest) {
		count++
	}
	if got := strings.Count(string(out), "trustedCertEntry"); got != count || count == 0 {
		t.Errorf("Java sees %d of %d certificates", got, count)
	}
}

func TestNpmArchiveIsUnpackedWithItsLinks(t *testing.T) {
	dir := t.TempDir()
	touch(t, filepath.Join(dir, "package/native/lib/libx.so.1.2"))
	list := `[{"source":"native/lib/libx.so.1.2","target":"native/lib/libx.so"}]`
	must(t, os.WriteFile(filepath.Join(dir, "package/native/pg-symlinks.json"), []byte(list), 0o600))
	archive := filepath.Join(dir, "x.tgz")
	must(t, run(exec.CommandContext(t.Context(), "tar", "-C", dir, "-czf", archive, "package")))

	out := t.TempDir()
	must(t, unpackTar(archive, out))
	must(t, restoreLinks(filepath.Join(out, "package")))
	if _, err := os.ReadFile(filepath.Join(out, "package/native/lib/libx.so")); err != nil {
		t.Error(err)
	}
}

func TestMissingToolSaysWhatToDo(t *testing.T) {
	t.Setenv(CacheVariable, t.TempDir())
	t.Setenv("PATH", t.TempDir()) // neither apt-get nor npm
	p := part{
		name: "a thing", dir: "thing", packages: [][]string{{"thing"}}, remedy: "install thing yourself",
		system:  func() []Tool { return nil },
		private: func(string) []Tool { return nil },
		check:   func(context.Context, Tool) error { return nil },
	}
	_, err := p.get(t.Context(), t.Output())
	if err == nil || !strings.Contains(err.Error(), "install thing yourself") || !strings.Contains(err.Error(), "apt-get") {
		t.Errorf("the error is %v", err)
	}
}

func TestSnapsAreNoBrowsers(t *testing.T) {
	dir := t.TempDir()
	for name, script := range map[string]string{
		"stub":     "#!/bin/sh\nif ! [ -x /snap/bin/chromium ]; then echo install it; exit 10; fi\nexec /snap/bin/chromium\n",
		"launcher": "#!/bin/sh\nexec /usr/lib/chromium/chromium\n",
	} {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755))
	}
	touch(t, filepath.Join(dir, "snap/bin/chromium"))
	link(t, filepath.Join(dir, "snap/bin/chromium"), filepath.Join(dir, "linked"))
	for name, want := range map[string]bool{"stub": true, "linked": true, "launcher": false, "missing": true} {
		if got := isSnap(filepath.Join(dir, name)); got != want {
			t.Errorf("%s is a snap: %t", name, got)
		}
	}
}

func TestBrowserThatRendersNothingIsRefused(t *testing.T) {
	dir := t.TempDir()
	for name, script := range map[string]string{
		"silent":   "#!/bin/sh\n",
		"fontless": "#!/bin/sh\necho '<body>no font has Cyrillic letters</body>'\n",
		"broken":   "#!/bin/sh\necho 'libnss3.so: cannot open shared object file' >&2; exit 127\n",
	} {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, []byte(script), 0o755))
		if err := checkChromium(t.Context(), browser(path)); err == nil {
			t.Errorf("the %s browser is taken", name)
		}
	}
}

// TestBrowserIsFoundAndWorks looks at the very one that the tests of pages use.
func TestBrowserIsFoundAndWorks(t *testing.T) {
	path, err := Chromium(t.Context(), t.Output())
	must(t, err)
	must(t, checkChromium(t.Context(), browser(path)))
}

// TestPrivateBrowserFindsItsPieces lays a browser out as packages do and looks
// at what starts it.
func TestPrivateBrowserFindsItsPieces(t *testing.T) {
	prefix := t.TempDir()
	touch(t, filepath.Join(prefix, "usr/lib/chromium/chromium-headless-shell"))
	touch(t, filepath.Join(prefix, "usr/lib/x86_64-linux-gnu/libnss3.so"))
	must(t, finishChromium(prefix, "/final", Tool{}))
	script, err := os.ReadFile(filepath.Join(prefix, browserName))
	must(t, err)
	for _, want := range []string{
		"'/final/usr/lib/x86_64-linux-gnu:/final/usr/lib/x86_64-linux-gnu/nss:/final/usr/lib/x86_64-linux-gnu/pulseaudio'",
		"FONTCONFIG_FILE='/final/fonts.conf'", "exec '/final/usr/lib/chromium/chromium-headless-shell' \"$@\"",
	} {
		if !strings.Contains(string(script), want) {
			t.Errorf("no %s in:\n%s", want, script)
		}
	}
	fonts, err := os.ReadFile(filepath.Join(prefix, "fonts.conf"))
	must(t, err)
	if !strings.Contains(string(fonts), "<dir>/final/usr/share/fonts</dir>") {
		t.Errorf("the fonts are not named in:\n%s", fonts)
	}
}

func TestOneFileIsTakenOutOfAJar(t *testing.T) {
	dir, jars := t.TempDir(), t.TempDir()
	touch(t, filepath.Join(dir, axeScript))
	archive, err := os.Create(filepath.Join(jars, "x.jar"))
	must(t, err)
	writer := zip.NewWriter(archive)
	must(t, writer.AddFS(os.DirFS(dir)))
	must(t, errors.Join(writer.Close(), archive.Close()))
	out := t.TempDir()
	must(t, unzipOne(jars, axeScript, out))
	if _, err := os.Stat(filepath.Join(out, axeScript)); err != nil {
		t.Error(err)
	}
	if err := unzipOne(jars, "other.js", out); err == nil {
		t.Error("a file that is not in the jar, no error")
	}
	if err := unzipOne(out, axeScript, out); err == nil {
		t.Error("no jar, no error")
	}
}
