package bench

import (
	"bufio"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"referral/adoption"
	"referral/models"
	"referral/test/storetest"
)

// BenchmarkImport compares taking an older system's files, checked and with all that
// follows from them, with COPY of the rows that it makes of them: only the imported rows,
// and every row that the database then holds. The files of so many accounts have a
// referral for every other one, a package for every tenth and a discount for every tenth.
func BenchmarkImport(b *testing.B) {
	for _, n := range sizes(b, "100000") {
		b.Run(fmt.Sprintf("accounts=%d", n), func(b *testing.B) {
			for range b.N {
				importFiles(b, n)
			}
		})
	}
}

func importFiles(b *testing.B, n int) {
	directory := olderFiles(b, n)
	rows := n + n/2 + n/10 + n/10
	var subject, again, imported, all series
	for range rounds(b) {
		first, repeat, dsn := importOnce(b, directory, int64(rows))
		subject, again = append(subject, first), append(again, repeat)
		imported = append(imported, copyTables(b, dsn, "imported_accounts", "imported_referrals", "imported_packages", "imported_discounts"))
		all = append(all, copyTables(b, dsn, "imported_accounts", "imported_referrals", "imported_packages", "imported_discounts",
			"accounts", "codes", "activations", "referrals", "discounts", "package_grants"))
	}
	compare(b, rows, "rows", subject, imported, "copy")
	compare(b, rows, "rows", subject, all, "own_copy")
	subject.report(b, rows, "rows")
	b.ReportMetric(again.best().Seconds()/subject.best().Seconds(), "repeat_x_of_first")
	b.ReportMetric(max(subject.peak(), again.peak()), "peak_MiB")
}

// olderFiles writes the files of n accounts. Of each ten, the first has invited the next
// five, within a year; it has been given the package of the third.
func olderFiles(b *testing.B, n int) string {
	b.Helper()
	directory := b.TempDir()
	write := func(name, header string, line func(id int) string) {
		file, err := os.Create(filepath.Join(directory, name))
		if err != nil {
			b.Fatal(err)
		}
		out := bufio.NewWriter(file)
		_, _ = out.WriteString(header + "\n")
		for id := 1; id <= n; id++ {
			_, _ = out.WriteString(line(id))
		}
		if err := out.Flush(); err != nil {
			b.Fatal(err)
		}
		if err := file.Close(); err != nil {
			b.Fatal(err)
		}
	}
	start := models.NewDate(2025, 1, 1)
	write("accounts.csv", "account,name,tax_id,registered,promo_end,terminated,existing_code", func(id int) string {
		registered := start + models.Date(id/10%200)
		return fmt.Sprintf("%d,Company %d,%d,%s,%s,,OLD%d\n", id, id, 7_700_000_000+id, registered, registered+30, id)
	})
	write("referrals.csv", "inviter,invitee,activated", func(id int) string {
		place := (id - 1) % 10
		if place < 1 || place > 5 {
			return ""
		}
		return fmt.Sprintf("%d,%d,%s\n", id-place, id, start+models.Date(200+id/10%100+20*place))
	})
	write("packages.csv", "account,sms,given", func(id int) string {
		if (id-1)%10 > 0 {
			return ""
		}
		return fmt.Sprintf("%d,1200,%s\n", id, start+models.Date(260+(id+3)/10%100))
	})
	write("discounts.csv", "account,percent,first_day,last_day", func(id int) string {
		if id%10 > 0 {
			return ""
		}
		return fmt.Sprintf("%d,15,2026-01-01,2026-06-30\n", id)
	})
	return directory
}

// importOnce imports files into an empty database, and once more.
func importOnce(b *testing.B, directory string, rows int64) (first, again measured, dsn string) {
	b.Helper()
	s, dsn := storetest.Open(b, time.Now)
	db := storetest.SQL(b, dsn)
	programme := usualTerms(b)
	take := func(read func(adoption.FileResult) int64) measured {
		m := begin(b, db, nil)
		r, err := adoption.Import(b.Context(), adoption.Options{
			Directory: directory, Store: s, Derive: programme.Derive(codes()), Zone: programme.Zone, Now: time.Now(), Sizes: []int{1200, 3200}, Progress: func(string, int64) {},
		})
		result := m.end()
		if err != nil {
			b.Fatal(err)
		}
		var taken int64
		for _, f := range r.Files {
			taken += read(f)
		}
		if taken != rows {
			b.Fatalf("%d rows were taken, not %d: %+v", taken, rows, r)
		}
		return result
	}
	first = take(func(f adoption.FileResult) int64 { return f.New })
	again = take(func(f adoption.FileResult) int64 { return f.Same })
	retire(b, db)
	return first, again, dsn
}

// copyTables writes the rows of tables of another database into an empty one, in
// transactions as large as those of an import.
func copyTables(b *testing.B, from string, tables ...string) measured {
	b.Helper()
	_, dsn := storetest.Open(b, time.Now)
	db := storetest.SQL(b, dsn)
	var batches [sessions][]*copyBatch
	for _, table := range tables {
		batch := newTableBatch(table)
		for row := range binaryRows(b, from, table) {
			if batch.count == 1000 {
				batches[0] = append(batches[0], batch)
				batch = newTableBatch(table)
			}
			batch.rows[0] = append(batch.rows[0], row...)
			batch.count++
		}
		batches[0] = append(batches[0], batch)
	}
	for _, c := range batches[0] {
		c.end()
	}
	m := begin(b, db, nil)
	copyAll(b, dsn, batches)
	result := m.end()
	for _, table := range tables {
		if got, want := count(b, db, table), count(b, storetest.SQL(b, from), table); got != want {
			b.Fatalf("%s has %d rows, not %d", table, got, want)
		}
	}
	retire(b, db)
	return result
}

func newTableBatch(table string) *copyBatch {
	return &copyBatch{statements: []string{"COPY " + table + " FROM STDIN BINARY"}, rows: [][]byte{[]byte(copyPreamble)}}
}

func count(b *testing.B, db *sql.DB, table string) (rows int) {
	b.Helper()
	if err := db.QueryRow("SELECT count(*) FROM " + table).Scan(&rows); err != nil {
		b.Fatal(err)
	}
	return rows
}
