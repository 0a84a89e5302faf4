package main

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"referral/store"
)

// What a connection that ends says is no answer of the database: serve asks again.
func TestWhatIsAskedAgainAtTheStart(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"nothing":                    {nil, false},
		"refused":                    {&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, true},
		"reset":                      {&net.OpError{Op: "read", Err: syscall.ECONNRESET}, true},
		"ended in a message":         {io.ErrUnexpectedEOF, true},
		"ended between two messages": {io.EOF, true},
		"found to be ended":          {driver.ErrBadConn, true},
		"too slow":                   {context.DeadlineExceeded, true},
		"shutting down":              {&pgconn.PgError{Code: "57P01"}, true},
		"no connection is left":      {&pgconn.PgError{Code: "53300"}, true},
		"a full disk":                {&pgconn.PgError{Code: "53100"}, true},
		"a failing disk":             {&pgconn.PgError{Code: "58030"}, true},
		"half an upgrade":            {&pgconn.PgError{Code: "58P01"}, true},
		"read-only by now":           {&pgconn.PgError{Code: "25006"}, true},
		"a standby or read-only":     {store.ErrReadOnly, true},
		"set up otherwise":           {store.ErrUnfit, false},
		"silent":                     {store.ErrSilent, true},
		"timed out":                  {&pgconn.PgError{Code: "57014"}, true},
		"no such table":              {&pgconn.PgError{Code: "42P01"}, false},
		"wrong password":             {&pgconn.PgError{Code: "28P01"}, false},
		"an older schema":            {errors.New("the database schema has version 1"), false},
		"other terms":                {store.ErrOtherTerms, false},
	} {
		err := c.err
		if err != nil {
			err = fmt.Errorf("adopting the terms: %w", err)
		}
		if got := mayPass(err); got != c.want {
			t.Errorf("%s: asked again %t, want %t", name, got, c.want)
		}
	}
}
