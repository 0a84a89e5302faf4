package toolcache

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// libraryPath is the environment in which programs below prefix find their
// shared libraries.
func libraryPath(prefix string) []string {
	dirs := LibraryDirs(prefix)
	if len(dirs) == 0 {
		return nil
	}
	if inherited := os.Getenv("LD_LIBRARY_PATH"); inherited != "" {
		dirs = append(dirs, inherited)
	}
	return []string{"LD_LIBRARY_PATH=" + strings.Join(dirs, ":")}
}

// LibraryDirs are the directories of shared libraries below prefix.
func LibraryDirs(prefix string) []string {
	var dirs []string
	for _, pattern := range []string{"usr/lib/*-linux-gnu*", "lib/*-linux-gnu*"} {
		if found, err := filepath.Glob(filepath.Join(prefix, pattern)); err == nil {
			dirs = append(dirs, found...)
		}
	}
	return dirs
}

// fixLinks makes the symbolic links below prefix lead to files below prefix,
// or, if these are not there, to those of the system: packages are written to
// be unpacked at the root, and some of what they link to was installed already.
func fixLinks(prefix, system string) error {
	return filepath.WalkDir(prefix, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("look for links: %w", err)
		}
		if entry.Type()&fs.ModeSymlink == 0 {
			return nil
		}
		target, err := os.Readlink(path)
		if err != nil {
			return fmt.Errorf("read link: %w", err)
		}
		fixed, err := linkTarget(prefix, system, path, target)
		if err != nil || fixed == target {
			return err
		}
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("fix link: %w", err)
		}
		if err := os.Symlink(fixed, path); err != nil {
			return fmt.Errorf("fix link: %w", err)
		}
		return nil
	})
}

func linkTarget(prefix, system, path, target string) (string, error) {
	inside := filepath.Join(prefix, target)
	if !filepath.IsAbs(target) {
		inside = filepath.Join(filepath.Dir(path), target)
	}
	below, err := filepath.Rel(prefix, inside)
	if err != nil {
		return "", fmt.Errorf("fix link %s: %w", path, err)
	}
	if _, err := os.Lstat(inside); err != nil {
		outside := filepath.Join(system, below)
		if _, err := os.Lstat(outside); err == nil {
			return outside, nil
		}
	}
	if !filepath.IsAbs(target) {
		return target, nil
	}
	fixed, err := filepath.Rel(filepath.Dir(path), inside)
	if err != nil {
		return "", fmt.Errorf("fix link %s: %w", path, err)
	}
	return fixed, nil
}
