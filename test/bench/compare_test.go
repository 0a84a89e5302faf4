package bench

import (
	"bufio"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"

	"referral/adoption"
)

// BenchmarkCompare compares holding an older system's file against a month with reading the
// file and writing its rows to a table by COPY. The file names every invoice. A fifth of the
// accounts take part in the programme. Of the others, each tenth is said to have been given a
// rouble, and is looked up.
func BenchmarkCompare(b *testing.B) {
	for _, n := range sizes(b, "1000000") {
		b.Run(fmt.Sprintf("rows=%d", n), func(b *testing.B) {
			for range b.N {
				compareOnce(b, n)
			}
		})
	}
}

func compareOnce(b *testing.B, n int) {
	s, db, dsn, p := takenMonth(b, n)
	if run := settle(b, s, p, period); run.Totals.Documents != int64(n/inGroup*3) {
		b.Fatalf("%d documents of %d invoices", run.Totals.Documents, n)
	}
	execute(b, db, "VACUUM ANALYZE")
	file, rouble := postedFile(b, db)
	execute(b, db, "CREATE TABLE old (invoice text, amount_minor bigint)")
	var subject, copying series
	for range rounds(b) {
		m := begin(b, db, nil)
		booked, faults, err := adoption.ReadBooked(file, adoption.SignInvoice)
		if err != nil || len(faults) > 0 {
			b.Fatal(err, faults)
		}
		r, err := adoption.Compare(b.Context(), s, p, period, booked, nil)
		subject = append(subject, m.end())
		if err != nil || r.Equal != int64(n/inGroup*3) || r.Different != rouble {
			b.Fatalf("%d equal, %d different, %v", r.Equal, r.Different, err)
		}
		execute(b, db, "TRUNCATE old")
		m = begin(b, db, nil)
		copyFile(b, dsn, file)
		copying = append(copying, m.end())
	}
	compare(b, n, "rows", subject, copying, "copy")
	subject.report(b, n, "rows")
}

// postedFile writes what is posted on every invoice, nothing among it, and a rouble on some
// that nothing is posted on; it returns how many these are.
func postedFile(b *testing.B, db *sql.DB) (path string, rouble int64) {
	b.Helper()
	path = filepath.Join(b.TempDir(), "old.csv")
	file, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	out := bufio.NewWriter(file)
	_, _ = out.WriteString("invoice,amount_minor\n")
	rows, err := db.Query("SELECT i.invoice_id, coalesce(a.amount_minor, CASE WHEN i.account_id % 10 = 0 THEN -100 ELSE 0 END) FROM invoice_ids i LEFT JOIN adjustments a USING (storage_period, account_id, invoice_id)")
	if err != nil {
		b.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var invoice string
		var amount int64
		if err := rows.Scan(&invoice, &amount); err != nil {
			b.Fatal(err)
		}
		if amount == -100 {
			rouble++
		}
		_, _ = fmt.Fprintf(out, "%s,%d\n", invoice, amount)
	}
	if err := rows.Err(); err != nil {
		b.Fatal(err)
	}
	if err := out.Flush(); err != nil {
		b.Fatal(err)
	}
	if err := file.Close(); err != nil {
		b.Fatal(err)
	}
	return path, rouble
}

func copyFile(b *testing.B, dsn, path string) {
	b.Helper()
	file, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close() //nolint:errcheck // it is only read
	conn, err := pgx.Connect(b.Context(), dsn)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = conn.Close(b.Context()) }()
	if _, err := conn.PgConn().CopyFrom(b.Context(), file, "COPY old FROM STDIN CSV HEADER"); err != nil {
		b.Fatal(err)
	}
}
