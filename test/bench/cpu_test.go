package bench

import (
	"bufio"
	"bytes"
	"database/sql"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// spent is processor time of everybody who takes part in a measurement. Unlike
// the clock it hardly depends on what else the machine does meanwhile.
type spent struct {
	program, database, broker time.Duration
}

func (s spent) sum() time.Duration { return s.program + s.database + s.broker }

func (s spent) minus(before spent) spent {
	return spent{s.program - before.program, s.database - before.database, s.broker - before.broker}
}

// reportCPU gives the microseconds of processor time for each of n things, of all
// that took any.
func reportCPU(b *testing.B, s spent, n int, prefix string) {
	b.Helper()
	for unit, took := range map[string]time.Duration{"program": s.program, "database": s.database, "broker": s.broker} {
		if took > 0 {
			b.ReportMetric(float64(took.Microseconds())/float64(n), prefix+unit+"_cpu_us")
		}
	}
}

// meters reads processor times. Servers on other machines, or of other users,
// count as idle.
type meters struct {
	postmaster int
	broker     int
}

func newMeters(b *testing.B, db *sql.DB, k *broker) meters {
	b.Helper()
	var m meters
	var backend int
	if err := db.QueryRow("SELECT pg_backend_pid()").Scan(&backend); err != nil {
		b.Fatal(err)
	}
	if s, err := statOf(backend); err == nil && s.name == "postgres" {
		m.postmaster = s.parent
	}
	if k != nil {
		_, port, err := net.SplitHostPort(k.address)
		if err != nil {
			b.Fatal(err)
		}
		m.broker = listener(port)
	}
	return m
}

func (m meters) read() (s spent) {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) == nil {
		s.program = time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	}
	if broker, err := statOf(m.broker); err == nil {
		s.broker = broker.own
	}
	if m.postmaster == 0 {
		return s
	}
	processes, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range processes {
		pid, _ := strconv.Atoi(filepath.Base(dir))
		switch p, err := statOf(pid); {
		case err != nil: // it has just ended, and counts with its parent
		case pid == m.postmaster:
			s.database += p.own + p.children
		case p.parent == m.postmaster:
			s.database += p.own
		}
	}
	return s
}

type stat struct {
	name          string
	parent        int
	own, children time.Duration
}

// statOf reads /proc/PID/stat, whose second field may hold blanks.
func statOf(pid int) (s stat, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return s, err
	}
	open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	f := strings.Fields(string(text[end+1:]))
	var n [5]int64
	for i, field := range [...]int{1, 11, 12, 13, 14} {
		if n[i], err = strconv.ParseInt(f[field], 10, 64); err != nil {
			return s, err
		}
	}
	const tick = time.Second / 100
	return stat{
		name: string(text[open+1 : end]), parent: int(n[0]),
		own: time.Duration(n[1]+n[2]) * tick, children: time.Duration(n[3]+n[4]) * tick,
	}, nil
}

// listener is the process that listens on a port of this machine; 0 when none
// can be seen.
func listener(port string) int {
	number, err := strconv.Atoi(port)
	if err != nil {
		return 0
	}
	inodes := map[string]bool{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		listening(table, fmt.Sprintf(":%04X", number), inodes)
	}
	descriptors, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, fd := range descriptors {
		if target, err := os.Readlink(fd); err == nil && inodes[target] {
			pid, _ := strconv.Atoi(strings.Split(fd, "/")[2])
			return pid
		}
	}
	return 0
}

func listening(table, port string, inodes map[string]bool) {
	text, _ := os.ReadFile(table)
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		const local, state, inode, listen = 1, 3, 9, "0A"
		if f := strings.Fields(lines.Text()); len(f) > inode && f[state] == listen && strings.HasSuffix(f[local], port) {
			inodes["socket:["+f[inode]+"]"] = true
		}
	}
}
