package toolcache

import (
	"errors"
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

// fixLinks makes the symbolic links below prefix lead to files below prefix, or,
// where these are missing, to those of the system: packages are written to be
// unpacked at the root, and some of what they link to was installed already.
func fixLinks(prefix, system string) error {
	return filepath.WalkDir(prefix, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Type()&fs.ModeSymlink == 0 {
			return err
		}
		target, err := os.Readlink(path)
		if err != nil {
			return err
		}
		fixed := linkTarget(prefix, system, path, target)
		if fixed == target {
			return nil
		}
		return errors.Join(os.Remove(path), os.Symlink(fixed, path))
	})
}

func linkTarget(prefix, system, path, target string) string {
	inside := filepath.Join(prefix, target)
	if !filepath.IsAbs(target) {
		inside = filepath.Join(filepath.Dir(path), target)
	}
	if outside := filepath.Join(system, strings.TrimPrefix(inside, prefix)); !exists(inside) && exists(outside) {
		return outside
	}
	if !filepath.IsAbs(target) {
		return target
	}
	relative, err := filepath.Rel(filepath.Dir(path), inside)
	if err != nil {
		return inside // one of the two is relative, which prefix never is
	}
	return relative
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
