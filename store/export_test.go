package store

import (
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// FriendsQuery is what reads a page of friends.
const FriendsQuery = friendsQuery

// RetentionStatement is what deletes a batch of the old rows of a table.
func RetentionStatement(table string) string {
	return retentionRules[slices.Index(RetentionTables(), table)].sql
}

// Spooled is how many rehearsed chunks a store keeps.
func (s *Store) Spooled() int {
	s.spool.mu.Lock()
	defer s.spool.mu.Unlock()
	return len(s.spool.chunks)
}

// SpoolToFile has rehearsed chunks kept in the file only.
func (s *Store) SpoolToFile() { s.spool.room = 0 }

// HarmSpool changes a byte of every rehearsed chunk that a store keeps.
func (s *Store) HarmSpool() error {
	s.spool.mu.Lock()
	defer s.spool.mu.Unlock()
	for _, entry := range s.spool.chunks {
		at, b := entry.at+int64(entry.size)/2, []byte{0}
		if _, err := s.spool.file.ReadAt(b, at); err != nil {
			return err
		}
		b[0] ^= 1
		if _, err := s.spool.file.WriteAt(b, at); err != nil {
			return err
		}
	}
	return nil
}

// InUse is how many connections are not in the pool.
func (s *Store) InUse() int { return s.sql.Stats().InUse }

func panicking(ctx context.Context, conn *pgx.Conn) error {
	var batch pgx.Batch
	queueRows(&batch, func(pgx.Rows) error { panic("an answer") }, "SELECT generate_series(1, 10000)")
	queueRows(&batch, nothing, "SELECT generate_series(1, 10000)")
	return conn.SendBatch(ctx, &batch).Close()
}

// PanicInTransaction panics in a transaction with answers unread.
func (s *Store) PanicInTransaction(ctx context.Context) error {
	return s.write(ctx, func(tx *tx) error { return panicking(ctx, tx.pgx) })
}

// PanicInStatement panics outside a transaction with answers unread.
func (s *Store) PanicInStatement(ctx context.Context) error {
	return s.statement(ctx, func(conn *pgx.Conn) error { return panicking(ctx, conn) })
}

// CheckedTables is the tables whose rights are checked, with spaces between.
func CheckedTables() string { return strings.Join(tablesOf(migrations), " ") }
