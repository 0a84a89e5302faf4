package pgcopy

import (
	"errors"
	"io"
	"testing"
)

// What a connection that ended still reads must not be memory that has been used again.
func TestDroppedRowsAreNotRead(t *testing.T) {
	t.Parallel()
	var s source
	s.bytes.Reset([]byte("abc"))
	p := make([]byte, 1)
	if n, err := s.Read(p); n != 1 || p[0] != 'a' || err != nil {
		t.Errorf("read %d, %q, %v", n, p, err)
	}
	s.drop()
	if n, err := s.Read(p); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("read %d, %v after the rows were dropped", n, err)
	}
}
