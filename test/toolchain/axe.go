package toolchain

import (
	"archive/zip"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"referral/internal/toolcache"
)

//go:embed axe.xml
var axePom []byte

const axeScript = "axe.min.js"

// Axe finds axe-core, a script that finds barriers in a page when a browser
// runs it there. It returns the script's path.
func Axe(ctx context.Context, log io.Writer) (string, error) {
	java, err := Java(ctx, log)
	if err != nil {
		return "", err
	}
	jars := Jars{Name: "axe-core", Dir: "axe-jar", Size: "less than 1 MB, besides Maven's own parts", Pom: axePom}
	dir, err := toolcache.Once(ctx, "axe-"+jars.fingerprint(), log, func(tmp, _ string) error {
		fetched, err := jars.Get(ctx, java, log)
		if err != nil {
			return err
		}
		return unzipOne(filepath.Join(fetched, "libs"), axeScript, tmp)
	})
	if err != nil {
		return "", fmt.Errorf("get axe-core: %w", err)
	}
	return filepath.Join(dir, axeScript), nil
}

// unzipOne copies the file name out of the only jar in jars into dir.
func unzipOne(jars, name, dir string) (err error) {
	found, err := filepath.Glob(filepath.Join(jars, "*.jar"))
	if err != nil || len(found) != 1 {
		return fmt.Errorf("one jar was expected in %s, and there are %d", jars, len(found))
	}
	archive, err := zip.OpenReader(found[0])
	if err != nil {
		return fmt.Errorf("open %s: %w", found[0], err)
	}
	defer func() { err = errors.Join(err, archive.Close()) }()
	in, err := archive.Open(name)
	if err != nil {
		return fmt.Errorf("look into %s: %w", found[0], err)
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	content, err := io.ReadAll(in)
	if err != nil {
		return fmt.Errorf("unpack %s: %w", name, err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
		return fmt.Errorf("unpack %s: %w", name, err)
	}
	return nil
}
