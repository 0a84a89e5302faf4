package store

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"referral/store/pgcopy"
)

func init() { recoveryWait = time.Millisecond }

// ReferredQuery is what reads a page of invitees.
const ReferredQuery = referredQuery

// Distributed is the tables of the layout that are distributed, with their columns.
func Distributed() map[string]string {
	tables := map[string]string{}
	for _, table := range layout.byAccount {
		tables[table] = "account_id"
	}
	for _, key := range layout.byKey {
		table, column, _ := strings.Cut(key, ".")
		tables[table] = column
	}
	return tables
}

// LaidOut is every table of the layout, as often as it is in there.
func LaidOut() (tables []string) {
	for _, d := range declarations() {
		tables = append(tables, d.table)
	}
	return append(tables, layout.plain...)
}

// Plain is the tables that Citus does not know.
func Plain() []string { return layout.plain }

// RetentionStatement is what deletes a batch of the old rows of a table.
func RetentionStatement(table string) string {
	return retentionRules[slices.Index(RetentionTables(), table)].sql
}

// CachedChunks is how many rehearsed chunks a store keeps.
func (s *Store) CachedChunks() int {
	s.rehearsalCache.mu.Lock()
	defer s.rehearsalCache.mu.Unlock()
	return len(s.rehearsalCache.chunks)
}

// CacheRehearsalsInFile has rehearsed chunks kept in the file only.
func (s *Store) CacheRehearsalsInFile() { s.rehearsalCache.room = 0 }

// HarmRehearsals changes a byte of every rehearsed chunk that a store keeps.
func (s *Store) HarmRehearsals() error {
	s.rehearsalCache.mu.Lock()
	defer s.rehearsalCache.mu.Unlock()
	for _, entry := range s.rehearsalCache.chunks {
		at, b := entry.at+int64(entry.size)/2, []byte{0}
		if _, err := s.rehearsalCache.file.ReadAt(b, at); err != nil {
			return err
		}
		b[0] ^= 1
		if _, err := s.rehearsalCache.file.WriteAt(b, at); err != nil {
			return err
		}
	}
	return nil
}

// InUse is how many connections are not in the pool.
func (s *Store) InUse() int { return s.sql.Stats().InUse }

func panicking(ctx context.Context, conn *pgx.Conn) error {
	var batch pgcopy.Batch
	batch.Each("numbers", func([][]byte) { panic("an answer") }, "SELECT generate_series(1, 10000)")
	batch.Exec("numbers", "SELECT generate_series(1, 10000)")
	return batch.Send(ctx, conn)
}

// PanicInTransaction panics in a transaction with answers unread.
func (s *Store) PanicInTransaction(ctx context.Context) error {
	return s.write(ctx, "panicking", func(tx *tx) error { return panicking(ctx, tx.pgx) })
}

// PanicInStatement panics outside a transaction with answers unread.
func (s *Store) PanicInStatement(ctx context.Context) error {
	return s.statement(ctx, "panicking", func(conn *pgx.Conn) error { return panicking(ctx, conn) })
}

// CheckedTables is the tables whose rights are checked, with spaces between.
func CheckedTables() string { return strings.Join(tablesOf(migrations), " ") }

// LockDeadLetters does something within a transaction that has locked the dead letters.
func (s *Store) LockDeadLetters(ctx context.Context, meanwhile func()) error {
	return s.write(ctx, "locking the dead letters", func(t *tx) error {
		err := t.exec("locking the dead letters", "LOCK TABLE dead_letters IN ROW EXCLUSIVE MODE")
		meanwhile()
		return err
	})
}

var AskServer = askServer

// ServicesInForce is what reads the decisions on services that settlement goes by.
const ServicesInForce = servicesInForce
