package toolchain

import (
	"archive/zip"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"referral/internal/toolcache"
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

func TestSnapsAreNotUsed(t *testing.T) {
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
		if err := checkChromium(t.Context(), program(path)); err == nil {
			t.Errorf("the %s browser is taken", name)
		}
	}
}

// TestBrowserIsFoundAndWorks looks at the very one that the tests of pages use.
func TestBrowserIsFoundAndWorks(t *testing.T) {
	path, err := Chromium(t.Context(), t.Output())
	must(t, err)
	must(t, checkChromium(t.Context(), program(path)))
}

// TestWrapperOfTheBrowserNamesItsLibrariesAndFonts lays a browser out as packages do and looks
// at what starts it.
func TestWrapperOfTheBrowserNamesItsLibrariesAndFonts(t *testing.T) {
	prefix := t.TempDir()
	touch(t, filepath.Join(prefix, "usr/lib/chromium/chromium-headless-shell"))
	touch(t, filepath.Join(prefix, "usr/lib/x86_64-linux-gnu/libnss3.so"))
	must(t, finishChromium(prefix, "/final", toolcache.Tool{}))
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

func TestUnzipCopiesOneFileOfAJar(t *testing.T) {
	dir, jars := t.TempDir(), t.TempDir()
	touch(t, filepath.Join(dir, axeScript))
	archive, err := os.Create(filepath.Join(jars, "x.jar"))
	must(t, err)
	writer := zip.NewWriter(archive)
	must(t, writer.AddFS(os.DirFS(dir)))
	must(t, errors.Join(writer.Close(), archive.Close()))
	out := t.TempDir()
	must(t, unzip(jars, axeScript, out))
	if _, err := os.Stat(filepath.Join(out, axeScript)); err != nil {
		t.Error(err)
	}
	if err := unzip(jars, "other.js", out); err == nil {
		t.Error("a file that is not in the jar, no error")
	}
	if err := unzip(out, axeScript, out); err == nil {
		t.Error("no jar, no error")
	}
}
