package toolchain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"referral/internal/toolcache"
)

// browserName is the program in the BinDir of a private browser.
const browserName = "browser"

// Chromium finds a browser that starts without a screen, runs scripts and knows
// Cyrillic letters. It returns the program's path.
func Chromium(ctx context.Context, log io.Writer) (string, error) {
	return programPath(toolcache.Spec{
		Name: "Chromium", Dir: "chromium", Size: "about 130 MB",
		// The headless shell is the same engine without the windows, and without
		// the sixty packages that these need.
		Packages: [][]string{{"chromium-headless-shell", "chromium"}, {"fonts-dejavu-core"}},
		// These draw on graphics cards, or open windows and other programs.
		Without: regexp.MustCompile(`^(libllvm.*|libz3-.*|libicu.*|libgl1.*|libglx.*|libglvnd.*|libgl1-mesa.*|mesa-.*|libdrm-.*|libsensors.*|x11-.*|xdg-.*|adwaita-.*|hicolor-.*|gtk-update.*|systemd.*|dbus.*|fontconfig.*)$`),
		System: func() []toolcache.Tool {
			return programsOnPath("chromium", "google-chrome", "google-chrome-stable", "chromium-browser", "chromium-headless-shell")
		},
		Private: func(prefix string) []toolcache.Tool {
			return []toolcache.Tool{program(filepath.Join(prefix, browserName))}
		},
		Finish: finishChromium,
		Check:  checkChromium,
		Remedy: "install Chromium or Chrome yourself (apt-get install chromium fonts-dejavu-core; where that brings a snap, Google's package)",
	}.Get(ctx, log))
}

func programPath(t toolcache.Tool, err error) (string, error) {
	if err != nil {
		return "", err
	}
	return t.Path(t.Program), nil
}

// program is a tool of one program, whose name varies.
func program(path string) toolcache.Tool {
	return toolcache.Tool{BinDir: filepath.Dir(path), Program: filepath.Base(path)}
}

// programsOnPath is those of some programs that are on PATH and are no snaps.
func programsOnPath(names ...string) []toolcache.Tool {
	var tools []toolcache.Tool
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil && !isSnap(path) {
			tools = append(tools, program(path))
		}
	}
	return tools
}

// isSnap is whether the program is a snap, which sees neither a test's
// temporary files nor its environment, or the stub that would fetch one.
func isSnap(path string) bool {
	real, err := filepath.EvalSymlinks(path)
	if err != nil || strings.Contains(real, "/snap") {
		return true
	}
	file, err := os.Open(real)
	if err != nil {
		return true
	}
	defer func() { _ = file.Close() }() // only read
	const enough = 8192
	start, err := io.ReadAll(io.LimitReader(file, enough))
	return err != nil || bytes.HasPrefix(start, []byte("#!")) && bytes.Contains(start, []byte("/snap/"))
}

// finishChromium writes what starts an unpacked browser where it lies.
func finishChromium(prefix, final string, _ toolcache.Tool) error {
	program, err := browserProgram(prefix)
	if err != nil {
		return err
	}
	var libraries []string
	for _, dir := range toolcache.LibraryDirs(prefix) {
		// Libraries that others look for in a directory of their own.
		libraries = append(libraries, dir, filepath.Join(dir, "nss"), filepath.Join(dir, "pulseaudio"))
	}
	script := fmt.Sprintf(`#!/bin/sh
# Chromium from a private directory; made by referral's test/toolchain
LD_LIBRARY_PATH='%s' FONTCONFIG_FILE='%s' exec '%s' "$@"
`,
		strings.ReplaceAll(strings.Join(libraries, ":"), prefix, final), filepath.Join(final, "fonts.conf"),
		strings.ReplaceAll(program, prefix, final))
	if err := os.WriteFile(filepath.Join(prefix, browserName), []byte(script), 0o755); err != nil {
		return fmt.Errorf("write the browser's wrapper: %w", err)
	}
	fonts := strings.ReplaceAll(fontConfiguration, "PREFIX", final)
	if err := os.WriteFile(filepath.Join(prefix, "fonts.conf"), []byte(fonts), 0o644); err != nil {
		return fmt.Errorf("tell the browser its fonts: %w", err)
	}
	return nil
}

// browserProgram is the unpacked one, or the system's when only its fonts were missing.
func browserProgram(prefix string) (string, error) {
	for _, root := range []string{prefix, "/"} {
		for _, name := range []string{"chromium-headless-shell", "chromium"} {
			path := filepath.Join(root, "usr/lib/chromium", name)
			if _, err := os.Stat(path); err == nil {
				return path, nil
			}
		}
	}
	return "", errors.New("the packages hold no browser")
}

// fontConfiguration makes pages look alike wherever the fonts came from: the
// same family first, with hinting and subpixels off.
const fontConfiguration = `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
  <dir>PREFIX/usr/share/fonts</dir>
  <dir>/usr/share/fonts</dir>
  <cachedir prefix="xdg">fontconfig</cachedir>
  <alias binding="weak"><family>sans-serif</family><prefer><family>DejaVu Sans</family></prefer></alias>
  <alias binding="weak"><family>system-ui</family><prefer><family>DejaVu Sans</family></prefer></alias>
  <alias binding="weak"><family>serif</family><prefer><family>DejaVu Serif</family></prefer></alias>
  <alias binding="weak"><family>monospace</family><prefer><family>DejaVu Sans Mono</family></prefer></alias>
  <match target="font">
    <edit name="hintstyle" mode="assign"><const>hintslight</const></edit>
    <edit name="rgba" mode="assign"><const>none</const></edit>
  </match>
</fontconfig>
`

// tryPage shows that scripts run, and that letters have shapes: without a font all of
// them have the same width.
const tryPage = `data:text/html;charset=utf-8,<body><script>
const pen = document.createElement('canvas').getContext('2d'); pen.font = '100px sans-serif';
const width = letter => Math.round(pen.measureText(letter).width);
document.body.textContent = width('Щ') > width('Г') ? 'letters have shapes' : 'no font has Cyrillic letters';
</script>`

const browserPatience = 90 * time.Second

// checkChromium renders a page.
func checkChromium(ctx context.Context, t toolcache.Tool) error {
	if _, err := os.Stat(t.Path(t.Program)); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "referral-chromium-*")
	if err != nil {
		return fmt.Errorf("try the browser: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // a rest of a profile makes no browser unfit
	ctx, cancel := context.WithTimeout(ctx, browserPatience)
	defer cancel()
	// No sandbox: root gets none, nor does anybody in most containers, and only
	// pages of our own are looked at.
	cmd := exec.CommandContext(ctx, t.Path(t.Program), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--disable-background-networking", "--disable-crash-reporter", "--no-first-run", "--user-data-dir="+dir, "--dump-dom", tryPage)
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_CONFIG_HOME="+dir, "XDG_CACHE_HOME="+dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("run %s: %w\n%s", t.Path(t.Program), err, toolcache.Tail(stderr.Bytes()))
	}
	if !bytes.Contains(out, []byte("letters have shapes")) {
		return fmt.Errorf("run %s: it renders %q", t.Path(t.Program), toolcache.Tail(out))
	}
	return nil
}
