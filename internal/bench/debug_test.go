package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// cpu seconds of self, of the postgres tree and of kafka
func cpuNow() (self, pg, java, all float64) {
	pgRoot := os.Getenv("DBG_PG")
	jv := os.Getenv("DBG_JAVA")
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, d := range dirs {
		raw, err := os.ReadFile(d + "/stat")
		if err != nil {
			continue
		}
		s := string(raw)
		f := strings.Fields(s[strings.LastIndexByte(s, ')')+2:])
		u := func(i int) float64 { v, _ := strconv.ParseFloat(f[i], 64); return v / 100 }
		own := u(11) + u(12)
		pid := filepath.Base(d)
		switch {
		case pid == strconv.Itoa(os.Getpid()):
			self += own
		case pid == pgRoot:
			pg += own + u(13) + u(14)
		case f[1] == pgRoot:
			pg += own
		case pid == jv:
			java += own
		}
	}
	raw, _ := os.ReadFile("/proc/stat")
	f := strings.Fields(strings.SplitN(string(raw), "\n", 2)[0])
	for i := 1; i <= 8; i++ {
		if i == 4 || i == 5 {
			continue
		}
		v, _ := strconv.ParseFloat(f[i], 64)
		all += v / 100
	}
	return
}

func cpuMeter(what string) func() {
	if os.Getenv("DBG_PG") == "" {
		return func() {}
	}
	s, p, j, a := cpuNow()
	t := time.Now()
	return func() {
		s2, p2, j2, a2 := cpuNow()
		fmt.Printf("CPU %-8s wall %.2f self %.2f pg %.2f kafka %.2f  all %.2f\n", what, time.Since(t).Seconds(), s2-s, p2-p, j2-j, a2-a)
	}
}
