package imports

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const module = "referral"

// source is one Go file of the module.
type source struct {
	name    string // consumer/batch.go
	folder  string // consumer
	test    bool
	lines   int
	imports map[string]string // by the name they are used by in the file
	tree    *ast.File
	places  *token.FileSet
}

func parse(name string, text []byte) (*source, error) {
	s := &source{
		name: name, folder: path.Dir(name), test: strings.HasSuffix(name, "_test.go"),
		lines: bytes.Count(text, []byte("\n")), imports: map[string]string{}, places: token.NewFileSet(),
	}
	tree, err := parser.ParseFile(s.places, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	s.tree = tree
	for _, i := range tree.Imports {
		imported, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		used := path.Base(imported)
		if i.Name != nil {
			used = i.Name.Name
		}
		if used == "_" || used == "." || s.imports[used] != "" {
			used += " " + imported // so that none replaces another
		}
		s.imports[used] = imported
	}
	return s, nil
}

// caller is whether it is a test in an external package (package x_test).
func (s *source) caller() bool { return s.test && strings.HasSuffix(s.tree.Name.Name, "_test") }

// at is the place of a node, for people.
func (s *source) at(n ast.Node) string {
	return fmt.Sprintf("%s:%d", s.name, s.places.Position(n.Pos()).Line)
}

// sources is every Go file below root, but for other modules and what the go
// tool itself passes by.
func sources(root string) ([]*source, error) {
	var all []*source
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return passBy(root, file)
		}
		if filepath.Ext(file) != ".go" {
			return nil
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		s, err := parse(filepath.ToSlash(name), text)
		all = append(all, s)
		return err
	})
	return all, err
}

func passBy(root, folder string) error {
	name := filepath.Base(folder)
	hidden := strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata" || name == "vendor"
	_, err := os.Stat(filepath.Join(folder, "go.mod"))
	if folder != root && (hidden || err == nil) {
		return fs.SkipDir
	}
	return nil
}

// within is whether an import path or folder is that of base, or below it.
func within(p, base string) bool { return p == base || strings.HasPrefix(p, base+"/") }

func withinAny(p string, bases []string) bool {
	return slices.ContainsFunc(bases, func(base string) bool { return within(p, base) })
}
