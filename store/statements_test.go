package store_test

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wasilibs/go-pgquery/parser"

	"referral/models"
	"referral/store"
	"referral/test/cutproxy"
)

// recorder is a proxy that keeps the statements that pass it, each once.
type recorder struct {
	mu         sync.Mutex
	statements map[string]bool
}

// record gives a life that goes through a recorder.
func record(t *testing.T, l *life) *recorder {
	t.Helper()
	at, err := url.Parse(l.dsn)
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{statements: map[string]bool{}}
	at.Host = cutproxy.New(t, at.Host, cutproxy.PostgreSQL, r.request).Addr()
	at.RawQuery = "sslmode=disable"
	l.Store = (&cutter{life: l}).over(at.String())
	return r
}

// request reads a message of a client: one byte for its kind, which the first message of
// a connection lacks, and a length that counts itself.
func (r *recorder) request(from io.Reader, _ []byte) ([]byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(from, head[:4]); err != nil {
		return nil, err
	}
	n, read := 4, 4
	if head[0] != 0 {
		if _, err := io.ReadFull(from, head[4:]); err != nil {
			return nil, err
		}
		n, read = 5, 5
	}
	const longest = 64 << 20
	length := int(binary.BigEndian.Uint32(head[n-4 : n]))
	if length < 4 || length > longest {
		return nil, errors.New("a message of an impossible length")
	}
	message := append(head[:read:read], make([]byte, length-4)...)
	if _, err := io.ReadFull(from, message[read:]); err != nil {
		return nil, err
	}
	if body := string(message[read:]); head[0] == 'P' {
		_, query, _ := strings.Cut(body, "\x00")
		r.note(query)
	} else if head[0] == 'Q' {
		r.note(body)
	}
	return message, nil
}

func (r *recorder) note(query string) {
	query, _, _ = strings.Cut(query, "\x00")
	r.mu.Lock()
	defer r.mu.Unlock()
	r.statements[query] = true
}

// finding is what a distributed database would refuse, or send to every node.
type finding string

const (
	fanOut     finding = "names no account"
	joins      finding = "joins distributed tables on something else than the account"
	locks      finding = "locks rows of several accounts"
	correlated finding = "has a correlated subquery between a distributed and a local table"
)

// node is a part of a parsed statement.
type node = map[string]any

// level is a SELECT, INSERT, UPDATE or DELETE, without those inside it.
type level struct {
	outer  *level
	tables map[string]string // alias -> table of the schema
	equal  [][2]string       // column references, parameters and "any", by name
	inner  []*level
	refs   []string // first parts of qualified column references
	locks  bool
	insert bool
	within bool // as an expression of the outer one
}

// checker examines the statements of hot paths.
type checker struct {
	distributed map[string]string
	schema      []string
}

func (c *checker) findings(t *testing.T, query string) (found []finding) {
	t.Helper()
	text, err := parser.ParseToJSON(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	var tree node
	if err := json.Unmarshal([]byte(text), &tree); err != nil {
		t.Fatal(err)
	}
	root := &level{tables: map[string]string{}}
	c.walk(tree, root, false)
	c.examine(root, &found)
	slices.Sort(found)
	return slices.Compact(found)
}

// walk collects into l what belongs to it, and makes levels of the statements inside.
func (c *checker) walk(part any, l *level, within bool) {
	switch part := part.(type) {
	case []any:
		for _, one := range part {
			c.walk(one, l, within)
		}
	case node:
		for kind, value := range part {
			body, _ := value.(node)
			switch kind {
			case "SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt":
				in := &level{outer: l, tables: map[string]string{}, insert: kind == "InsertStmt", within: within}
				l.inner = append(l.inner, in)
				c.walk(body, in, false)
				continue
			case "SubLink":
				if name := columnOf(body["testexpr"]); name != "" {
					l.equal = append(l.equal, [2]string{name, "any"})
				}
				c.walk(body["testexpr"], l, within)
				c.walk(body["subselect"], l, true)
				continue
			case "CopyStmt": // its rows have their accounts
				if into, ok := body["relation"].(node); ok {
					c.table(node{"relname": into["relname"]}, l)
					l.insert = true
					continue
				}
			case "larg", "rarg":
				if _, join := part["jointype"]; !join { // the sides of a UNION
					in := &level{outer: l, tables: map[string]string{}}
					l.inner = append(l.inner, in)
					c.walk(body, in, false)
					continue
				}
			case "RangeVar", "relation":
				c.table(body, l)
				continue
			case "lockingClause":
				l.locks = true
			case "usingClause":
				for _, column := range texts(value) {
					l.equal = append(l.equal, [2]string{column, column})
				}
			case "A_Expr":
				c.equality(body, l)
			case "ColumnRef":
				if name := columnOf(part); strings.Contains(name, ".") {
					before, _, _ := strings.Cut(name, ".")
					l.refs = append(l.refs, before)
				}
			}
			c.walk(value, l, within)
		}
	}
}

func (c *checker) table(body node, l *level) {
	name, _ := body["relname"].(string)
	if !slices.Contains(c.schema, name) {
		return
	}
	alias := name
	if a, ok := body["alias"].(node); ok {
		alias, _ = a["aliasname"].(string)
	}
	l.tables[alias] = name
}

func (c *checker) equality(body node, l *level) {
	if texts(body["name"]) == nil || texts(body["name"])[0] != "=" {
		return
	}
	left, right := columnOf(body["lexpr"]), columnOf(body["rexpr"])
	if body["kind"] != "AEXPR_OP" {
		right = "any"
	}
	if left != "" && right != "" {
		l.equal = append(l.equal, [2]string{left, right})
	}
	// (a, b) = (c, d), of which every pair is equal
	lefts, rights := rowOf(body["lexpr"]), rowOf(body["rexpr"])
	for i := range min(len(lefts), len(rights)) {
		if a, b := columnOf(lefts[i]), columnOf(rights[i]); a != "" && b != "" {
			l.equal = append(l.equal, [2]string{a, b})
		}
	}
}

func rowOf(part any) []any {
	body, _ := part.(node)
	row, _ := body["RowExpr"].(node)
	args, _ := row["args"].([]any)
	return args
}

// columnOf is the name of a column reference, "$n" for a parameter, "constant" for a
// constant; empty for others.
func columnOf(part any) string {
	body, _ := part.(node)
	if cast, ok := body["TypeCast"].(node); ok {
		return columnOf(cast["arg"])
	}
	if ref, ok := body["ColumnRef"].(node); ok {
		return strings.Join(texts(ref["fields"]), ".")
	}
	if parameter, ok := body["ParamRef"].(node); ok {
		return fmt.Sprint("$", parameter["number"])
	}
	if _, ok := body["A_Const"]; ok {
		return constant
	}
	return ""
}

// constant stands for any constant.
const constant = "constant"

// texts is the strings of a list.
func texts(part any) (all []string) {
	list, _ := part.([]any)
	for _, one := range list {
		body, _ := one.(node)
		text, _ := body["String"].(node)
		if value, ok := text["sval"].(string); ok {
			all = append(all, value)
		}
	}
	return all
}

// column tells whether a name is the column by which an alias is distributed.
func (c *checker) column(l *level, name string) (alias string, ok bool) {
	before, column, qualified := strings.Cut(name, ".")
	if !qualified {
		for alias, table := range l.tables {
			if c.distributed[table] == name {
				return alias, true
			}
		}
		return "", false
	}
	for at := l; at != nil; at = at.outer {
		if table, there := at.tables[before]; there {
			return before, c.distributed[table] == column
		}
	}
	return before, column == "account_id" // of a subquery or a function
}

// asked is the parameter that every distributed table is asked for itself; empty when there
// is none.
func (l *level) asked(c *checker) (parameter string) {
	for alias, table := range l.tables {
		if c.distributed[table] == "" {
			continue
		}
		i := slices.IndexFunc(l.equal, func(pair [2]string) bool {
			at, is := c.column(l, pair[0])
			return is && at == alias && strings.HasPrefix(pair[1], "$")
		})
		if i < 0 || parameter != "" && l.equal[i][1] != parameter {
			return ""
		}
		parameter = l.equal[i][1]
	}
	return parameter
}

// meetsOuter tells whether a correlated subquery is about the account of the outer
// statement.
func (l *level) meetsOuter(c *checker) bool {
	if asked := l.asked(c); asked != "" && asked == l.outer.asked(c) {
		return true
	}
	return slices.ContainsFunc(l.equal, func(pair [2]string) bool {
		a, isA := c.column(l, pair[0])
		b, isB := c.column(l, pair[1])
		_, ownA := l.tables[a]
		_, ownB := l.tables[b]
		return isA && isB && ownA != ownB
	})
}

func (c *checker) examine(l *level, found *[]finding) {
	var mine []string // distributed
	local := false
	for alias, table := range l.tables {
		if c.distributed[table] != "" {
			mine = append(mine, alias)
		} else if table != "periods" {
			local = true
		}
	}
	group := map[string]string{} // of aliases that are equal by their column
	var leader func(string) string
	leader = func(alias string) string {
		if next := group[alias]; next != "" && next != alias {
			return leader(next)
		}
		return alias
	}
	named, single := l.insert, l.insert
	for _, pair := range l.equal {
		a, isA := c.column(l, pair[0])
		b, isB := c.column(l, pair[1])
		switch {
		case pair[0] == pair[1] && isA: // USING, or all without their aliases
			named = named || len(mine) > 0
			for _, alias := range mine[min(1, len(mine)):] {
				group[leader(alias)] = leader(mine[0])
			}
		case isA && isB:
			group[leader(a)] = leader(b)
			named = true
		case isA || isB:
			named = true
			other := pair[1]
			if isB {
				other = pair[0]
			}
			if value := other == constant || strings.HasPrefix(other, "$"); value {
				single = true
				group[leader(a+b)] = leader(other)
			}
		}
	}
	if len(mine) > 0 {
		if !named {
			*found = append(*found, fanOut)
		}
		for _, alias := range mine[1:] {
			if leader(alias) != leader(mine[0]) {
				*found = append(*found, joins)
			}
		}
		if l.locks && !single {
			*found = append(*found, locks)
		}
	}
	if l.within && l.outer != nil && len(l.tables) > 0 {
		outerDistributed, outerLocal := false, false
		for _, ref := range l.refs {
			if _, own := l.tables[ref]; own {
				continue
			}
			if table, there := l.outer.tables[ref]; there {
				if c.distributed[table] != "" {
					outerDistributed = true
				} else if table != "periods" {
					outerLocal = true
				}
			}
		}
		if outerDistributed && local || outerLocal && len(mine) > 0 {
			*found = append(*found, correlated)
		}
		if outerDistributed && len(mine) > 0 && !l.meetsOuter(c) {
			*found = append(*found, joins)
		}
	}
	for _, in := range l.inner {
		c.examine(in, found)
	}
}

// hotPaths is what the work of every minute and of a month does to the database.
func (l *life) hotPaths(t *testing.T) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	l.climb()
	l.facts(models.Terminated{AccountID: 711, TerminatedAt: at("2026-04-20T00:00:00Z")})
	l.settle(models.RunRequest{Period: 202604})
	l.facts(invoice(885, 202604, 2, 100000)) // a reversal
	l.settle(models.RunRequest{Period: 202604})
	chunks, err := l.UnpublishedChunks(t.Context(), 100)
	must(err)
	for _, ref := range chunks {
		docs, err := l.LoadChunk(t.Context(), ref)
		must(err)
		for i := range docs.Adjustments {
			d := &docs.Adjustments[i]
			l.facts(models.Result{AdjustmentID: d.ID, AccountID: d.AccountID, Status: models.ResultApplied, Amount: d.Amount, At: l.now})
		}
		must(l.MarkPublished(t.Context(), ref, l.now))
	}
	events, err := l.OutboxEvents(t.Context(), 10)
	must(err)
	must(l.DropOutboxEvents(t.Context(), []int64{events[0].Seq}))
	_, err = l.UnpublishedDeadLetters(t.Context(), 10)
	must(err)
	_, _, _, err = l.PortalAccount(t.Context(), 885)
	must(err)
	_, err = l.ReferredAccounts(t.Context(), 885, models.ReferralCursor{}, 10)
	must(err)
	_, err = l.PortalInvoices(t.Context(), 885, 202605, 3)
	must(err)
}

// allowed is the statements of hot paths that do not name an account, each by a part of it.
var allowed = []struct {
	part string
	what finding
}{
	// A chunk of a run is a range of accounts, which are on every node.
	{"INSERT INTO run_chunks (run_id, chunk_no, from_account, to_account) SELECT", fanOut},
	{"FROM held_lines WHERE period = $1 AND account_id >= $2", fanOut},
	{"FROM package_grants WHERE account_id >= $1", fanOut},
	{"FROM discounts WHERE account_id >= $1", fanOut},
	{"FROM stale WHERE period = $1 AND account_id >= $2", fanOut}, // deletes them as well
	// Publishing reads what a chunk has posted, once, and looks for what is to be published.
	{"FROM adjustments a WHERE run_id = $1 AND chunk_no = $2", fanOut},
	{"FROM sms_packages WHERE run_id = $1 AND chunk_no = $2", fanOut},
	{"FROM document_resends WHERE published_at IS NULL", fanOut},
	// Decisions of staff are few, and looked up by both of their accounts.
	{"FROM revocation UNION ALL SELECT inviter_id", fanOut},
	{"FROM staff_decisions WHERE inviter_id = ANY($1)", fanOut},
}

// Statements of hot paths name the account or are known to go to every node; none does
// what a distributed database refuses.
func TestHotPathsCanBeDistributed(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	r := record(t, l)
	l.hotPaths(t)
	const fewest = 60
	if len(r.statements) < fewest {
		t.Errorf("only %d statements are recorded", len(r.statements))
	}
	c := newChecker()
	used := map[string]bool{}
	for query := range r.statements {
		found := c.findings(t, query)
		for _, a := range allowed {
			if strings.Contains(strings.Join(strings.Fields(query), " "), a.part) {
				used[a.part] = true
				found = slices.DeleteFunc(found, func(f finding) bool { return f == a.what })
			}
		}
		if len(found) > 0 {
			t.Errorf("%v:\n%s", found, query)
		}
	}
	for _, a := range allowed {
		if !used[a.part] {
			t.Errorf("no statement has %q any more", a.part)
		}
	}
}

// insights is what staff, reports and the night ask.
func (l *life) insights(t *testing.T) {
	t.Helper()
	answered := models.RegisterFilter{Posted: 202604, Answer: models.ResultApplied}
	_, byAnswer := l.Register(t.Context(), answered, 10)
	_, totals := l.RegisterTotals(t.Context(), answered)
	_, months := l.Months(t.Context())
	_, rejected := l.Rejected(t.Context(), 10)
	_, found := l.FindAccounts(t.Context(), "885", 885, models.UUID{})
	_, parked := l.ParkedNow(t.Context(), 10)
	_, _, history := l.AccountHistory(t.Context(), 885)
	_, ledger := l.Ledger(t.Context(), 202604)
	_, stats := l.Stats(t.Context())
	_, periods := l.Periods(t.Context())
	_, _, _, uncompared := l.UncomparedRehearsal(t.Context())
	_, terminated := l.TerminatedAccounts(t.Context(), l.now, 10)
	if err := errors.Join(byAnswer, totals, months, rejected, found, parked, history, ledger, stats, periods, uncompared, terminated); err != nil {
		t.Fatal(err)
	}
	l.tie(202604)
	keep := map[string]time.Duration{}
	for _, table := range store.RetentionTables() {
		keep[table] = time.Hour
	}
	l.DeleteExpired(t.Context(), keep, func(table string, _ int64, err error) {
		if err != nil {
			t.Errorf("%s: %v", table, err)
		}
	})
}

// Statements of pages, reports and the night may go to every node. None does what a
// distributed database refuses.
func TestInsightsCanBeDistributed(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.climb()
	l.settle(models.RunRequest{Period: 202604})
	r := record(t, l)
	l.insights(t)
	c := newChecker()
	for query := range r.statements {
		found := slices.DeleteFunc(c.findings(t, query), func(f finding) bool { return f == fanOut })
		if len(found) > 0 {
			t.Errorf("%v:\n%s", found, query)
		}
	}
}

func newChecker() *checker {
	return &checker{distributed: store.Distributed(), schema: store.LaidOut()}
}

// What the checker finds in statements of known shape.
func TestCheckerOfStatements(t *testing.T) {
	t.Parallel()
	for query, want := range map[string][]finding{
		"SELECT code FROM accounts WHERE account_id = $1 FOR UPDATE":                                                                                   nil,
		"SELECT code FROM accounts WHERE account_id = ANY($1) ORDER BY account_id":                                                                     nil,
		"SELECT code FROM accounts WHERE account_id = ANY($1) ORDER BY account_id FOR UPDATE":                                                          {locks},
		"SELECT code FROM accounts WHERE account_id BETWEEN $1 AND $2":                                                                                 {fanOut},
		"UPDATE stale SET period = $1":                                                                                                                 {fanOut},
		"COPY invoices (account_id, lines) FROM STDIN BINARY":                                                                                          nil,
		"SELECT * FROM invoices i JOIN adjustments d USING (account_id, invoice_id) WHERE i.account_id = $1":                                           nil,
		"SELECT * FROM invoices i JOIN adjustments d ON d.invoice_id = i.invoice_id WHERE i.account_id = $1":                                           {joins},
		"SELECT * FROM invoices i, adjustments d WHERE d.account_id = i.account_id AND i.account_id = $1":                                              nil,
		"SELECT * FROM invoices i JOIN adjustments d ON (d.account_id, d.invoice_id) = (i.account_id, i.invoice_id)":                                   nil,
		"SELECT * FROM accounts a WHERE a.account_id = $1 AND EXISTS (SELECT FROM codes c WHERE c.code = a.code)":                                      {correlated},
		"SELECT * FROM accounts a WHERE a.account_id = $1 AND EXISTS (SELECT FROM stale s WHERE s.account_id = a.account_id)":                          nil,
		"SELECT * FROM accounts a WHERE a.account_id = $1 AND EXISTS (SELECT FROM stale s WHERE s.period = $2 AND s.account_id = 5 AND s.id = a.code)": {joins},
		"SELECT * FROM accounts a WHERE a.account_id = $1 AND EXISTS (SELECT 1 FROM stale s WHERE s.account_id = $1 AND s.id = a.code)":                nil,
		"SELECT chunk_no FROM run_chunks FOR UPDATE SKIP LOCKED":                                                                                       nil,
	} {
		if got := newChecker().findings(t, query); !slices.Equal(got, want) {
			t.Errorf("%s\n%v, want %v", query, got, want)
		}
	}
}
