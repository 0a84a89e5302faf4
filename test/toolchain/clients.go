package toolchain

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"referral/internal/toolcache"
)

// Client finds a small program that Debian has in a package of its name, such as kcat,
// jq or curl. It must know the argument version.
func Client(ctx context.Context, log io.Writer, name, version string) (toolcache.Tool, error) {
	return toolcache.Spec{
		Name: name, Dir: name, Size: "about 1 MB",
		Packages: [][]string{{name}},
		System:   func() []toolcache.Tool { return toolcache.OnPath(name) },
		Private:  func(prefix string) []toolcache.Tool { return []toolcache.Tool{{BinDir: prefix}} },
		Finish:   func(prefix, final string, _ toolcache.Tool) error { return writeWrapper(prefix, final, name) },
		Check: func(ctx context.Context, t toolcache.Tool) error {
			return toolcache.Run(t.Command(ctx, name, version))
		},
		Remedy: "install it yourself (apt-get install " + name + ")",
	}.Get(ctx, log)
}

// writeWrapper writes what starts an unpacked program of /usr/bin with its libraries.
func writeWrapper(prefix, final, name string) error {
	libraries := strings.ReplaceAll(strings.Join(toolcache.LibraryDirs(prefix), ":"), prefix, final)
	script := fmt.Sprintf("#!/bin/sh\nLD_LIBRARY_PATH='%s' exec '%s' \"$@\"\n", libraries, filepath.Join(final, "usr/bin", name))
	if err := os.WriteFile(filepath.Join(prefix, name), []byte(script), 0o755); err != nil {
		return fmt.Errorf("write the wrapper of %s: %w", name, err)
	}
	return nil
}
