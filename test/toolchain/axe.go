package toolchain

import (
	"context"
	_ "embed"
	"io"
	"path/filepath"
)

//go:embed axe.xml
var axePom []byte

const axeScript = "axe.min.js"

// Axe finds or downloads axe-core, a script that finds barriers in a page when a
// browser runs it there. It returns the script's path.
func Axe(ctx context.Context, log io.Writer) (string, error) {
	java, err := Java(ctx, log)
	if err != nil {
		return "", err
	}
	jars := Jars{Name: "axe-core", Dir: "axe", Size: "less than 1 MB, besides Maven's own parts", Pom: axePom, Unzip: axeScript}
	dir, err := jars.Get(ctx, java, log)
	return filepath.Join(dir, axeScript), err
}
