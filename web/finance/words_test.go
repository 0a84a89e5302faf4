package finance_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"

	"referral/web/finance"
)

// Every kind of break is named in Russian, with what to do about it.
func TestEveryBreakHasWords(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "../../billing/reconcile.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Break") || len(spec.Values) != 1 {
			return true
		}
		literal, ok := spec.Values[0].(*ast.BasicLit)
		if !ok {
			return true
		}
		kind, err := strconv.Unquote(literal.Value)
		if err != nil {
			t.Fatal(err)
		}
		found++
		if text := finance.BreakWords(kind); text.What == kind || text.Do == "" {
			t.Errorf("%s has no words", kind)
		}
		return true
	})
	if found < 20 {
		t.Errorf("only %d kinds are found", found)
	}
}
