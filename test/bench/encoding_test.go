package bench

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/jackc/pgx/v5"

	"referral/models"
	"referral/test/storetest"
)

// BenchmarkEncoding compares ways to store an invoice with its lines and an
// adjustment with its items: one row a line, and one row a document that carries
// the lines as typed arrays, as json or as compact text. It prints what a document
// costs and, in parentheses, the ratio to one row a line.
func BenchmarkEncoding(b *testing.B) {
	for _, n := range sizes(b, "100000") {
		for _, k := range []*documentKind{&invoiceKind, &adjustmentKind} {
			b.Run(fmt.Sprintf("%s=%d", k.name, n), func(b *testing.B) {
				for range b.N {
					compareLayouts(b, k, n)
				}
			})
		}
	}
}

// documentKind is invoices or adjustments, with the ways to store them, of which
// the first is the baseline.
type documentKind struct {
	name    string
	lines   int    // of a document
	batch   string // the transaction in which a line of the source is written
	days    string // what json and text say of the days of a line of the source
	chunks  func(n int) []any
	layouts []layout
}

// layout is what makes the tables, what each of them is filled with, and the
// queries that read chunk $1.
type layout struct {
	name, schema string
	copies       [][2]string // columns of a table, and their values in the source
	queries      []chunkQuery
}

type chunkQuery struct {
	sql  string
	read rowReader
}

type rowReader = func(c *loadedChunk, v [][]byte)

// lineSource is all that is stored, one row a line. One invoice in ten has a line
// for a part of the month.
const lineSource = `CREATE TABLE source AS SELECT *, %s AS batch, %s AS days FROM (
	SELECT a AS account_id, 'INV-2026-04-' || a AS invoice_id, n AS no, (n + 1)::text AS line_id,
		(ARRAY['subscription', 'numbers', 'calls', 'recording'])[n + 1] AS service,
		CASE WHEN a %% 10 = 0 AND n = 0 THEN date '2026-04-11' ELSE '2026-04-01' END AS from_day, date '2026-05-01' AS to_day,
		10000 + (a * 7919 + n * 104729) %% 900000 AS amount,
		CASE a %% 3 WHEN 0 THEN '2026-04-01/2026-05-01@20+0' ELSE '2026-04-01/2026-04-20@0+40 2026-04-20/2026-05-01@0+60' END AS segments
	FROM generate_series(1::bigint, %d) a, generate_series(0, %d) n) l;
	CREATE INDEX ON source (batch);
	ANALYZE source`

func compareLayouts(b *testing.B, k *documentKind, n int) {
	dsn := storetest.DSN(b)
	db := storetest.SQL(b, dsn)
	execute(b, db, fmt.Sprintf(lineSource, k.batch, k.days, n, k.lines-1))
	copied, loaded := make([]series, len(k.layouts)), make([]series, len(k.layouts))
	for range rounds(b) {
		var want loadedSum
		for i := range k.layouts {
			l := &k.layouts[i]
			execute(b, db, "DROP SCHEMA IF EXISTS baseline, packed CASCADE; "+l.schema)
			batches := encodeLayout(b, db, dsn, l)
			m := begin(b, db, nil)
			copyAll(b, dsn, batches)
			copied[i] = append(copied[i], m.end())
			execute(b, db, "VACUUM ANALYZE")
			took, sum := loadChunks(b, db, dsn, l, k.chunks(n))
			loaded[i] = append(loaded[i], took)
			if i == 0 {
				want = sum
			}
			if sum != want || sum.lines != n*k.lines {
				b.Fatalf("%s: read %+v of %d documents, %s gave %+v", l.name, sum, n, k.layouts[0].name, want)
			}
		}
	}
	reportLayouts(b, k, copied, loaded, n)
}

// encodeLayout makes the rows of a layout, those of each session in the order in
// which they are written.
func encodeLayout(b *testing.B, db *sql.DB, dsn string, l *layout) (batches [sessions][]*copyBatch) {
	b.Helper()
	conn := connect(b, dsn)
	last := 0
	query(b, db, func(scan func(...any)) { scan(&last) }, "SELECT max(batch) FROM source")
	for number := range last + 1 {
		batch := &copyBatch{}
		for _, c := range l.copies {
			var rows bytes.Buffer
			if _, err := conn.PgConn().CopyTo(b.Context(), &rows, "COPY (SELECT "+fmt.Sprintf(c[1], number)+") TO STDOUT BINARY"); err != nil {
				b.Fatal(err)
			}
			batch.statements = append(batch.statements, "COPY "+c[0]+" FROM STDIN BINARY")
			batch.rows = append(batch.rows, rows.Bytes())
		}
		batches[number%sessions] = append(batches[number%sessions], batch)
	}
	return batches
}

func connect(b *testing.B, dsn string) *pgx.Conn {
	b.Helper()
	conn, err := pgx.Connect(b.Context(), dsn)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// loadChunks reads all documents twice, and measures the second time.
func loadChunks(b *testing.B, db *sql.DB, dsn string, l *layout, chunks []any) (measured, loadedSum) {
	b.Helper()
	conn := connect(b, dsn)
	read := func() (sum loadedSum) {
		for _, chunk := range chunks {
			c := loadedChunk{words: map[string]string{}}
			for _, q := range l.queries {
				c.query(b, conn, q, chunk)
			}
			sum.add(c.docs)
		}
		return sum
	}
	read()
	m := begin(b, db, nil)
	sum := read()
	return m.end(), sum
}

func (c *loadedChunk) query(b *testing.B, conn *pgx.Conn, q chunkQuery, chunk any) {
	b.Helper()
	rows, err := conn.Query(b.Context(), q.sql, chunk)
	if err != nil {
		b.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		q.read(c, rows.RawValues())
	}
	if err := rows.Err(); err != nil {
		b.Fatal(err)
	}
}

// reportLayouts prints microseconds and bytes a document, and their ratios to the
// first layout.
func reportLayouts(b *testing.B, k *documentKind, copied, loaded []series, n int) {
	b.Helper()
	figures := func(i int) [6]float64 {
		last := copied[i][len(copied[i])-1]
		return [...]float64{
			copied[i].best().Seconds() * 1e6, copied[i].cpu().sum().Seconds() * 1e6, float64(last.wal), float64(last.bytes),
			loaded[i].best().Seconds() * 1e6, loaded[i].cpu().sum().Seconds() * 1e6,
		}
	}
	var out strings.Builder
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprint(table, "\nlayout\tCOPY µs\tCOPY CPU µs\tWAL bytes\tdisk bytes\tread µs\tread CPU µs")
	for i := range k.layouts {
		_, _ = fmt.Fprint(table, "\n", k.layouts[i].name)
		for f, v := range figures(i) {
			_, _ = fmt.Fprintf(table, "\t%.4g (%.2f)", v/float64(n), v/figures(0)[f])
		}
	}
	_ = table.Flush()
	b.Log(out.String())
	b.ReportMetric(0, "ns/op")
}

// loadedSum tells whether two layouts gave the same.
type loadedSum struct{ lines, sum int }

func (s *loadedSum) add(docs []loadedDocument) {
	for _, d := range docs {
		for _, l := range d.lines {
			s.lines++
			s.sum += (int(l.Amount)+len(l.ID)+len(l.Service))*int(l.From) + int(l.To) + len(l.segments)
		}
	}
}

// loadedChunk is the documents of a chunk.
type loadedChunk struct {
	docs  []loadedDocument
	lines []loadedLine // room that documents share
	at    int          // document of the row before
	words map[string]string
}

type loadedDocument struct {
	account int64
	id      string
	lines   []loadedLine
}

// loadedLine is a line of an invoice or an item of an adjustment. The segments of an
// item stay text: each distinct text is parsed once, in every layout.
type loadedLine struct {
	models.Line
	segments string
}

func (c *loadedChunk) document(v [][]byte) *loadedDocument {
	c.docs = append(c.docs, loadedDocument{account: bigint(v[0]), id: string(v[1])})
	return &c.docs[len(c.docs)-1]
}

func readDocument(c *loadedChunk, v [][]byte) { c.document(v) }

func (c *loadedChunk) word(v []byte) string {
	if known, ok := c.words[string(v)]; ok {
		return known
	}
	c.words[string(v)] = string(v)
	return c.words[string(v)]
}

// line adds a line to a document, whose lines come one after the other.
func (c *loadedChunk) line(d *loadedDocument, id, service string, amount int64) *loadedLine {
	if len(c.lines) == cap(c.lines) {
		c.lines = append(make([]loadedLine, 0, 4096), d.lines...)
	}
	c.lines = append(c.lines, loadedLine{Line: models.Line{ID: id, Service: service, Amount: models.Money(amount)}})
	d.lines = c.lines[len(c.lines)-1-len(d.lines) : len(c.lines) : len(c.lines)]
	return &d.lines[len(d.lines)-1]
}

// daysReader reads the days of a line: its first and last day, or one text, both
// of which may be missing.
type daysReader = func(c *loadedChunk, d *loadedDocument, l *loadedLine, v ...[]byte)

// readLine reads a row of one line, readArrays, readJSON and readText one of a document.
// It begins with the account and the id of the document.
func readLine(days daysReader) rowReader {
	return func(c *loadedChunk, v [][]byte) {
		for c.docs[c.at].id != string(v[1]) { // documents mostly come in order
			c.at = (c.at + 1) % len(c.docs)
		}
		d := &c.docs[c.at]
		days(c, d, c.line(d, c.word(v[2]), c.word(v[3]), bigint(v[4])), v[5:]...)
	}
}

func readArrays(days daysReader, columns int) rowReader {
	return func(c *loadedChunk, v [][]byte) {
		d := c.document(v)
		var arrays [5]arrayElements
		for i := range columns {
			arrays[i] = elements(v[2+i])
		}
		for len(arrays[0]) > 0 {
			l := c.line(d, c.word(arrays[0].next()), c.word(arrays[1].next()), bigint(arrays[2].next()))
			days(c, d, l, arrays[3].next(), arrays[4].next())
		}
	}
}

func readJSON(days daysReader) rowReader {
	return func(c *loadedChunk, v [][]byte) {
		var lines []struct {
			ID, Service, Days string
			Amount            int64
		}
		_ = json.Unmarshal(v[2], &lines) // what cannot be read is missing in the sum
		d := c.document(v)
		for _, l := range lines {
			days(c, d, c.line(d, l.ID, l.Service, l.Amount), []byte(l.Days))
		}
	}
}

func readText(days daysReader) rowReader {
	return func(c *loadedChunk, v [][]byte) {
		d := c.document(v)
		for text := v[2]; len(text) > 0; {
			var line, id, service, amount []byte
			line, text, _ = bytes.Cut(text, []byte{'\n'})
			id, line, _ = bytes.Cut(line, []byte{'\t'})
			service, line, _ = bytes.Cut(line, []byte{'\t'})
			amount, line, _ = bytes.Cut(line, []byte{'\t'})
			n, _ := strconv.ParseInt(string(amount), 10, 64) // what cannot be read is missing in the sum
			days(c, d, c.line(d, c.word(id), c.word(service), n), line)
		}
	}
}

func binaryDays(_ *loadedChunk, _ *loadedDocument, l *loadedLine, v ...[]byte) {
	if l.From, l.To = period.First(), period.End(); len(v[0]) > 0 {
		const pgEpochDay = 10957
		l.From, l.To = pgEpochDay+models.Date(binary.BigEndian.Uint32(v[0])), pgEpochDay+models.Date(binary.BigEndian.Uint32(v[1]))
	}
}

// textDays are counted from the first day of the month: "10/30".
func textDays(_ *loadedChunk, _ *loadedDocument, l *loadedLine, v ...[]byte) {
	if l.From, l.To = period.First(), period.End(); len(v[0]) > 0 {
		from, to, _ := bytes.Cut(v[0], []byte{'/'})
		first, _ := strconv.Atoi(string(from))
		end, _ := strconv.Atoi(string(to))
		l.From, l.To = period.First()+models.Date(first), period.First()+models.Date(end)
	}
}

// itemDays are those of the item before when they are missing.
func itemDays(c *loadedChunk, d *loadedDocument, l *loadedLine, v ...[]byte) {
	if l.segments = c.word(v[0]); len(v[0]) == 0 {
		l.segments = d.lines[len(d.lines)-2].segments
	}
}

func bigint(v []byte) int64 { return int64(binary.BigEndian.Uint64(v)) }

// arrayElements is those of a binary array that are still to be read.
type arrayElements []byte

func elements(v []byte) arrayElements {
	const header = 20 // dimensions, whether there are nulls, the type, the length, the first index
	return v[min(header, len(v)):]
}

func (e *arrayElements) next() []byte {
	if len(*e) == 0 {
		return nil
	}
	n := int32(binary.BigEndian.Uint32(*e))
	*e = (*e)[4:]
	if n < 0 {
		return nil
	}
	element := (*e)[:n]
	*e = (*e)[n:]
	return element
}

const (
	packedArrays = "array_agg(line_id ORDER BY no), array_agg(service ORDER BY no), array_agg(amount ORDER BY no), "
	packedJSON   = "json_strip_nulls(json_agg(json_build_object('id', line_id, 'service', service, 'amount', amount, 'days', days) ORDER BY no))"
	packedText   = "string_agg(concat_ws(E'\\t', line_id, service, amount, days), E'\\n' ORDER BY no)"
	arrayColumns = `line_ids text[] COLLATE "C" NOT NULL, services text[] COLLATE "C" NOT NULL, amounts bigint[] NOT NULL, `
)

// The invoices come in the order in which the broker gives those of four partitions,
// and are read as a run does when one account in five has a discount.
var invoiceKind = documentKind{
	name: "invoices", lines: 4, chunks: everyFifth,
	batch: "(dense_rank() OVER (ORDER BY account_id / 20000, abs(hashint8(account_id)) % 4, account_id) - 1) / 2000",
	days:  "CASE WHEN from_day <> '2026-04-01' THEN from_day - date '2026-04-01' || '/' || to_day - date '2026-04-01' END",
	layouts: []layout{
		{
			name: "rows", schema: baselineSchema,
			copies: [][2]string{
				{"baseline.invoices (account_id, invoice_id, period, revision, currency, provenance)", invoiceHeader + " FROM source WHERE batch = %d AND no = 0 ORDER BY account_id"},
				{"baseline.invoice_lines", "account_id, 202604, invoice_id, 1, no, line_id, service, from_day, to_day, amount FROM source WHERE batch = %d ORDER BY account_id, no"},
			},
			queries: []chunkQuery{
				{"SELECT account_id, invoice_id FROM baseline.invoices WHERE account_id = ANY($1) AND period = 202604 ORDER BY account_id", readDocument},
				{`SELECT account_id, invoice_id, line_id, service, amount_minor, from_day, to_day FROM baseline.invoice_lines
					WHERE account_id = ANY($1) AND period = 202604 ORDER BY account_id`, readLine(binaryDays)},
			},
		},
		// The days are left out when all lines are for the whole month.
		packedInvoice("arrays", arrayColumns+"from_days date[], to_days date[]", "line_ids, services, amounts, from_days, to_days", packedArrays+
			"CASE WHEN count(days) > 0 THEN array_agg(from_day ORDER BY no) END, CASE WHEN count(days) > 0 THEN array_agg(to_day ORDER BY no) END",
			readArrays(binaryDays, 5)),
		packedInvoice("json", "lines json NOT NULL", "lines", packedJSON, readJSON(textDays)),
		packedInvoice("text", `lines text COLLATE "C" NOT NULL`, "lines", packedText, readText(textDays)),
	},
}

const invoiceHeader = `account_id, invoice_id, 202604, 1, 'RUB', '\x000102030405060708090a0b'::bytea`

func packedInvoice(name, schema, columns, values string, read rowReader) layout {
	return layout{
		name: name,
		schema: `CREATE SCHEMA packed;
			CREATE TABLE packed.invoices (account_id bigint NOT NULL, storage_period integer NOT NULL, period integer NOT NULL, revision integer NOT NULL,
				invoice_id text COLLATE "C" NOT NULL, currency text COLLATE "C" NOT NULL, ` + schema + `, provenance bytea,
				PRIMARY KEY (storage_period, account_id, invoice_id, revision));
			CREATE INDEX ON packed.invoices (account_id) WHERE revision > 1;
			CREATE TABLE packed.invoice_ids (invoice_id text COLLATE "C" PRIMARY KEY, account_id bigint NOT NULL, storage_period integer NOT NULL)`,
		copies: [][2]string{
			{"packed.invoices (account_id, invoice_id, period, revision, currency, provenance, storage_period, " + columns + ")",
				invoiceHeader + ", 202604, " + values + " FROM source WHERE batch = %d GROUP BY account_id, invoice_id ORDER BY account_id"},
			{"packed.invoice_ids", "invoice_id, account_id, 202604 FROM source WHERE batch = %d AND no = 0 ORDER BY account_id"},
		},
		queries: []chunkQuery{{"SELECT account_id, invoice_id, " + columns + " FROM packed.invoices WHERE storage_period = 202604 AND account_id = ANY($1) ORDER BY account_id", read}},
	}
}

const chunkAccounts = 3000

func everyFifth(n int) (chunks []any) {
	for from := 0; from < n; from += 5 * chunkAccounts {
		for first := range 5 {
			var accounts []int64
			for a := from + first + 1; a <= min(n, from+5*chunkAccounts); a += 5 {
				accounts = append(accounts, int64(a))
			}
			chunks = append(chunks, accounts)
		}
	}
	return chunks
}

// The adjustments are written by a run and read by the publisher, chunk by chunk.
var adjustmentKind = documentKind{
	name: "adjustments", lines: 3, batch: "(account_id - 1) / 3000", days: "CASE no WHEN 0 THEN segments END",
	chunks: func(n int) (chunks []any) {
		for i := range (n + chunkAccounts - 1) / chunkAccounts {
			chunks = append(chunks, i)
		}
		return chunks
	},
	layouts: []layout{
		{
			name: "rows", schema: baselineSchema,
			copies: [][2]string{
				{"baseline.adjustments (" + adjustmentColumns + ")", adjustmentValues + " FROM source WHERE batch = %d GROUP BY account_id, invoice_id ORDER BY account_id"},
				{"baseline.adjustment_items", "account_id, invoice_id, 1, line_id, service, amount, segments FROM source WHERE batch = %d ORDER BY account_id, no"},
			},
			queries: []chunkQuery{
				{"SELECT " + adjustmentColumns + ", posted_at FROM baseline.adjustments WHERE run_id = 1 AND chunk_no = $1", readDocument},
				{`SELECT account_id, invoice_id, line_id, service, amount_minor, segments, sequence FROM baseline.adjustment_items
					WHERE account_id BETWEEN $1 * 3000 + 1 AND $1 * 3000 + 3000 ORDER BY account_id, invoice_id, sequence, line_id`, readLine(itemDays)},
			},
		},
		// Segments are null where they are those of the item before.
		packedAdjustment("arrays", arrayColumns+`segments text[] COLLATE "C" NOT NULL`, "line_ids, services, amounts, segments", packedArrays+"array_agg(days ORDER BY no)",
			readArrays(itemDays, 4)),
		packedAdjustment("json", "items json NOT NULL", "items", packedJSON, readJSON(itemDays)),
		packedAdjustment("text", `items text COLLATE "C" NOT NULL`, "items", packedText, readText(itemDays)),
	},
}

const (
	adjustmentColumns = "account_id, invoice_id, sequence, adjustment_id, invoice_revision, period, posting_period, currency, amount_minor, reason, run_id, chunk_no"
	adjustmentValues  = "account_id, invoice_id, 1, md5(invoice_id)::uuid, 1, 202604, 202604, 'RUB', sum(amount)::bigint, 'run', 1::bigint, ((account_id - 1) / 3000)::integer"
)

func packedAdjustment(name, schema, columns, values string, read rowReader) layout {
	return layout{
		name: name,
		schema: baselineSchema + `; CREATE SCHEMA packed;
			CREATE TABLE packed.adjustments (LIKE baseline.adjustments INCLUDING DEFAULTS INCLUDING CONSTRAINTS, storage_period integer NOT NULL, ` + schema + `,
				PRIMARY KEY (storage_period, account_id, invoice_id, sequence));
			CREATE INDEX ON packed.adjustments (run_id, chunk_no)`,
		copies: [][2]string{{"packed.adjustments (" + adjustmentColumns + ", storage_period, " + columns + ")",
			adjustmentValues + ", 202604, " + values + " FROM source WHERE batch = %d GROUP BY account_id, invoice_id ORDER BY account_id"}},
		queries: []chunkQuery{{"SELECT account_id, invoice_id, " + columns + ", sequence, adjustment_id, invoice_revision, period, posting_period, currency, amount_minor, reason, posted_at" +
			" FROM packed.adjustments WHERE run_id = 1 AND chunk_no = $1", read}},
	}
}
