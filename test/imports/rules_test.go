package imports

import (
	"fmt"
	"go/ast"
	"maps"
	"slices"
	"strings"
)

// rule is something that holds for the whole tree. Its samples are what it must
// find, so that no rule can rot into one that finds nothing.
type rule struct {
	name    string
	why     string
	find    func([]*source) []string // the places that break it
	samples []map[string]string      // each a tree of files that breaks it
	allowed []map[string]string      // each a tree of files that does not
}

func folders(names ...string) func(string) bool {
	return func(folder string) bool { return withinAny(folder, names) }
}

// reach is a rule about the module's own packages: from one folder no way may
// lead to others, not even through a third (tests aside, which count by what
// they import themselves).
type reach struct {
	from string
	to   []string
	// callers is those of to that a test may import that is a package of its
	// own (package store_test): it is a caller of the folder, and not part of it.
	callers []string
}

func (r reach) find(all []*source) []string {
	var found []string
	for _, s := range all {
		if !within(s.folder, r.from) {
			continue
		}
		goals := slices.DeleteFunc(slices.Clone(r.to), func(to string) bool { return s.caller() && slices.Contains(r.callers, to) })
		for _, next := range ownImports(s) {
			if chain := wayTo(all, next, goals, map[string]bool{}); chain != nil {
				found = append(found, fmt.Sprintf("%s imports %s", s.name, strings.Join(chain, ", which imports ")))
			}
		}
	}
	return found
}

// wayTo is the packages on the way from one to any of the goals; nil if there is
// none.
func wayTo(all []*source, from string, goals []string, seen map[string]bool) []string {
	if withinAny(from, goals) {
		return []string{from}
	}
	if seen[from] {
		return nil
	}
	seen[from] = true
	for _, s := range all {
		if s.test || s.folder != from {
			continue
		}
		for _, next := range ownImports(s) {
			if chain := wayTo(all, next, goals, seen); chain != nil {
				return append([]string{from}, chain...)
			}
		}
	}
	return nil
}

// ownImports is the folders of the module that a file imports.
func ownImports(s *source) []string {
	var own []string
	for _, imported := range slices.Sorted(maps.Values(s.imports)) {
		if within(imported, module) {
			own = append(own, strings.TrimPrefix(imported, module+"/"))
		}
	}
	return own
}

// clocks finds uses of the clock of the machine, called or handed on.
func clocks(in func(string) bool) func([]*source) []string {
	return func(all []*source) []string {
		var found []string
		for _, s := range all {
			if s.test || !in(s.folder) {
				continue
			}
			if s.imports[". time"] != "" {
				found = append(found, s.name+" imports time with a dot, which hides its clock")
			}
			for _, used := range uses(s, "time", "Now", "Since", "Until", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker", "Sleep") {
				found = append(found, fmt.Sprintf("%s uses time.%s", s.at(used), used.Sel.Name))
			}
		}
		return found
	}
}

// uses finds pkg.name for any of the names.
func uses(s *source, pkg string, names ...string) []*ast.SelectorExpr {
	var found []*ast.SelectorExpr
	ast.Inspect(s.tree, func(n ast.Node) bool {
		selector, ok := n.(*ast.SelectorExpr)
		if !ok || !slices.Contains(names, selector.Sel.Name) {
			return true
		}
		if on, ok := selector.X.(*ast.Ident); ok && s.imports[on.Name] == pkg {
			found = append(found, selector)
		}
		return true
	})
	return found
}

// skips finds tests that pass without having tested: in all files that know of
// the testing package, helpers included.
func skips(all []*source) []string {
	var found []string
	for _, s := range all {
		if !slices.Contains(slices.Collect(maps.Values(s.imports)), "testing") {
			continue
		}
		ast.Inspect(s.tree, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			selector, ok := call.Fun.(*ast.SelectorExpr)
			if ok && slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, selector.Sel.Name) {
				found = append(found, s.at(call)+" skips a test")
			}
			return true
		})
	}
	return found
}

// batchRows finds rows of a batch that are read elsewhere than in queueRows.
func batchRows(all []*source) []string {
	var found []string
	for _, s := range all {
		if s.test || s.name == "store/pgcopy/batch.go" {
			continue
		}
		ast.Inspect(s.tree, func(n ast.Node) bool {
			selector, ok := n.(*ast.SelectorExpr)
			if !ok || selector.Sel.Name != "Query" {
				return true
			}
			call, ok := selector.X.(*ast.CallExpr)
			if !ok {
				return true
			}
			if on, ok := call.Fun.(*ast.SelectorExpr); ok && on.Sel.Name == "Queue" {
				found = append(found, s.at(selector)+" reads rows of a batch; use queueRows")
			}
			return true
		})
	}
	return found
}

const longestFile = 600

func longFiles(all []*source) []string {
	var found []string
	for _, s := range all {
		if !s.test && s.lines > longestFile && !ast.IsGenerated(s.tree) {
			found = append(found, fmt.Sprintf("%s has %d lines, more than %d", s.name, s.lines, longestFile))
		}
	}
	return found
}
