package privacy

import (
	"strings"
	"testing"
	"time"

	"referral/test/storetest"
)

// secrets is columns that are left out of the data that a client is given.
const secrets = " token token_hash recipient_key hint decided_by approved_by requested_by written_off_by "

// Every column of a table with accounts has a title in Russian, or is known to be left out.
func TestEveryColumnHasATitle(t *testing.T) {
	t.Parallel()
	_, dsn := storetest.Open(t, time.Now)
	rows, err := storetest.SQL(t, dsn).QueryContext(t.Context(), `SELECT DISTINCT a.attname::text, c.relname::text FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
		WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace
			AND (c.relname = 'dead_letters' OR EXISTS (SELECT FROM pg_attribute b WHERE b.attrelid = c.oid AND b.attname = 'account_id'))`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns := 0
	for rows.Next() {
		var column, table string
		if err := rows.Scan(&column, &table); err != nil {
			t.Fatal(err)
		}
		columns++
		if _, titled := columnTitles[column]; !titled && !strings.Contains(secrets, " "+column+" ") {
			t.Errorf("%s of %s has no title", column, table)
		}
	}
	if err := rows.Err(); err != nil || columns < 100 {
		t.Errorf("%d columns, %v", columns, err)
	}
}
