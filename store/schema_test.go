package store_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"referral/store"
)

// Every table has one place in the layout of a distributed database, and every unique
// key of a distributed table contains the column that it is distributed by.
func TestUniqueKeysContainTheDistributionColumn(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	keys := l.pairs(`SELECT c.relname, (SELECT string_agg(a.attname, ' ') FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY(i.indkey))
		FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid WHERE i.indisunique AND c.relnamespace = 'public'::regnamespace`)
	if len(keys) < 30 {
		t.Fatalf("only %d unique keys are found", len(keys))
	}
	distributed := store.Distributed()
	for _, key := range keys {
		table, columns := key[0], strings.Fields(key[1])
		if column, ok := distributed[table]; ok && !slices.Contains(columns, column) {
			t.Errorf("a unique key of %s is over %v, without %s", table, columns, column)
		}
	}
	var tables []string
	for _, table := range l.pairs("SELECT relname, '' FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace") {
		tables = append(tables, table[0])
	}
	laidOut := store.LaidOut()
	slices.Sort(tables)
	slices.Sort(laidOut)
	if !slices.Equal(tables, laidOut) {
		t.Errorf("the layout is of\n%v, the tables are\n%v", laidOut, tables)
	}
}

// pairs is the rows of a query of two texts.
func (l *life) pairs(query string) (list [][2]string) {
	l.Helper()
	rows, err := l.db.Query(query)
	if err != nil {
		l.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var pair [2]string
		if err := rows.Scan(&pair[0], &pair[1]); err != nil {
			l.Fatal(err)
		}
		list = append(list, pair)
	}
	if err := rows.Err(); err != nil {
		l.Fatal(err)
	}
	return list
}

// A statement that locks rows locks those of one account, or of a table that is not
// distributed by account: a distributed database refuses others. The deletion of old
// rows skips those that are locked, and would be sent to each part of the database.
func TestNoStatementLocksSeveralAccounts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	const notByAccount = "WITH old|parked_accounts|run_chunks|run_orders|runs|sessions|recipients|invitations|programme_state|terms_digest|account_id = (\\$1|\\?)"
	lockingByGORM := []string{"proposals.go", "dead_letters.go", "ingest_dead_letters.go", "chunk.go", "runs.go", "invitations_send.go"} // the same tables, by records
	allowed := regexp.MustCompile(notByAccount)
	locking := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") || file == "retention.go" {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BasicLit:
				if strings.Contains(n.Value, "FOR UPDATE") || strings.Contains(n.Value, "FOR SHARE") {
					locking++
					if !allowed.MatchString(n.Value) && !strings.HasPrefix(n.Value, `" FOR SHARE`) {
						t.Errorf("%s: rows of several accounts are locked by %s", file, n.Value)
					}
				}
			case *ast.SelectorExpr:
				if n.Sel.Name == "Locking" {
					locking++
					if !slices.Contains(lockingByGORM, file) {
						t.Errorf("%s: GORM locks rows, of a table that may be distributed by account", file)
					}
				}
			}
			return true
		})
	}
	if locking < 8 {
		t.Errorf("only %d statements with locks are found", locking)
	}
}
