package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

// settleByJumps starts the program an hour after the first month has ended, when its
// run is not due yet, and moves the clock: over the time of the run, as a machine
// does that slept, and back.
func (p *faultyRun) settleByJumps() {
	w := p.w
	w.t.Helper()
	p.clock = filepath.Join(w.t.TempDir(), "clock")
	defer func() { p.clock = "" }()
	end := p.workload.Period(0).End().Time() // a midnight of UTC: 03:00 in Moscow
	p.setClock(end.Add(-2 * time.Hour))
	all := p.launch("--only=consumer,scheduler,web")
	all.ready()
	if n := w.number(`SELECT count(*) FROM runs`); n != 0 {
		w.t.Errorf("%d runs before the time of the run", n)
	}
	p.jump(all, "forward", end.Add(6*time.Hour), time.Hour)
	p.firstRun()
	p.jump(all, "backward", end.Add(5*time.Hour), -time.Minute)
	if n := w.number(`SELECT count(*) FROM runs`); n != 1 {
		w.t.Errorf("%d runs of one month", n)
	}
	p.stop(all)
}

func (p *faultyRun) setClock(now time.Time) {
	p.w.t.Helper()
	if err := os.WriteFile(p.clock+".new", []byte(time.Until(now).String()), 0o600); err != nil {
		p.w.t.Fatal(err)
	}
	if err := os.Rename(p.clock+".new", p.clock); err != nil {
		p.w.t.Fatal(err)
	}
}

// jump moves the clock of a program and waits until that has noticed it. A program
// that did not look at the clock before has nothing to notice, so that the clock
// is moved again after a while.
func (p *faultyRun) jump(s *server, direction string, to time.Time, further time.Duration) {
	p.w.t.Helper()
	const again = 1500 // looks, which are more than the 30 s between two of the program
	looks := 0
	p.setClock(to)
	p.w.until("a jump "+direction, func() (bool, string) {
		if looks++; looks%again == 0 {
			to = to.Add(further)
			p.setClock(to)
		}
		n := p.metric(s, `referral_scheduler_clock_jumps_total{direction="`+direction+`"}`)
		return n > 0, "none is noticed"
	})
}

// metric is a figure of a program; 0 when it is not there.
func (p *faultyRun) metric(s *server, name string) float64 {
	p.w.t.Helper()
	found := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (\S+)$`).FindStringSubmatch(p.w.fetch("http://" + s.admin + "/metrics"))
	if found == nil {
		return 0
	}
	n, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		p.w.t.Fatal(err)
	}
	return n
}
