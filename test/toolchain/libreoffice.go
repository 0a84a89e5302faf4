package toolchain

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"referral/internal/toolcache"
)

// LibreOffice finds an office suite that opens spreadsheets without a screen. It returns
// the path of a program that starts it.
func LibreOffice(ctx context.Context, log io.Writer) (string, error) {
	return programPath(toolcache.Spec{
		Name: "LibreOffice", Dir: "libreoffice", Size: "about 90 MB",
		Packages: [][]string{{"libreoffice-calc-nogui", "libreoffice-calc"}},
		// These open windows, draw on graphics cards or run other programs.
		Without: regexp.MustCompile(`^(libllvm.*|libz3-.*|libgl1.*|libglx.*|libglvnd.*|mesa-.*|libdrm.*|x11-.*|xdg-.*|fontconfig|fonts-.*|dbus.*|systemd.*|ucf|sensible-utils|python.*|default-jre.*|openjdk.*)$`),
		System:  func() []toolcache.Tool { return programsOnPath("soffice", "libreoffice") },
		Private: func(prefix string) []toolcache.Tool {
			return []toolcache.Tool{program(filepath.Join(prefix, officeName))}
		},
		Finish: finishLibreOffice,
		Check:  checkLibreOffice,
		Remedy: "install LibreOffice Calc yourself (apt-get install libreoffice-calc-nogui)",
	}.Get(ctx, log))
}

// officeName is the program in the BinDir of a private office.
const officeName = "soffice"

// finishLibreOffice writes what starts an unpacked office where it lies.
func finishLibreOffice(prefix, final string, _ toolcache.Tool) error {
	binary := filepath.Join(prefix, "usr/lib/libreoffice/program/soffice.bin")
	if _, err := os.Stat(binary); err != nil {
		return fmt.Errorf("the packages hold no office: %w", err)
	}
	if err := relocateOffice(prefix, final); err != nil {
		return err
	}
	libraries := append([]string{filepath.Dir(binary)}, toolcache.LibraryDirs(prefix)...) // UNO looks for its files beside its library
	script := fmt.Sprintf(`#!/bin/sh
# LibreOffice from a private directory; made by referral's test/toolchain
LD_LIBRARY_PATH='%s'
export LD_LIBRARY_PATH
while true; do
	'%s' "$@"
	status=$?
	[ $status = 81 ] || exit $status # it asks to be started again, with its new profile
done
`, strings.ReplaceAll(strings.Join(libraries, ":"), prefix, final), strings.ReplaceAll(binary, prefix, final))
	if err := os.WriteFile(filepath.Join(prefix, officeName), []byte(script), 0o755); err != nil {
		return fmt.Errorf("write the office's wrapper: %w", err)
	}
	return nil
}

// relocateOffice corrects the start files that name the office's own files by absolute
// path. Its registry is copied to /etc when the package is installed: here it is read
// from where the package has it.
func relocateOffice(prefix, final string) error {
	registry := "/etc/libreoffice/registry"
	if packed := "/usr/lib/libreoffice/share/.registry"; isDir(prefix + packed) {
		registry = packed
	}
	paths := strings.NewReplacer("file:///etc/libreoffice/registry", "file://"+final+registry, "file:///usr/", "file://"+final+"/usr/")
	files, err := filepath.Glob(filepath.Join(prefix, "usr/lib/libreoffice/program/*rc"))
	if err != nil {
		return fmt.Errorf("list the office's start files: %w", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(file, []byte(paths.Replace(string(text))), 0o644)
		}
		if err != nil {
			return fmt.Errorf("correct a start file of the office: %w", err)
		}
	}
	return nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// checkLibreOffice converts a spreadsheet: an office without Calc is common, and of no
// use.
func checkLibreOffice(ctx context.Context, t toolcache.Tool) (err error) {
	dir, err := os.MkdirTemp("", "referral-office-*")
	if err != nil {
		return fmt.Errorf("try the office: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	source := filepath.Join(dir, "try.csv")
	if err := os.WriteFile(source, []byte("1,2\n"), 0o600); err != nil {
		return fmt.Errorf("try the office: %w", err)
	}
	cmd := t.Command(ctx, t.Program, "-env:UserInstallation=file://"+filepath.Join(dir, "profile"), "--headless", "--convert-to", "xlsx", "--outdir", dir, source)
	if err := toolcache.Run(cmd); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, "try.xlsx")); err != nil {
		return fmt.Errorf("the office converts no spreadsheet: %w", err)
	}
	return nil
}
