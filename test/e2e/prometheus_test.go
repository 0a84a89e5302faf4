package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"referral/internal/subprocess"
	"referral/internal/toolcache"
	"referral/test/toolchain"
)

// watch is a Prometheus that scrapes the program and evaluates the rules of
// deploy/observability.
type watch struct {
	w       *world
	tool    toolcache.Tool
	address string
	targets string    // the file that names the process to scrape
	since   time.Time // when alerts cleared last
}

const rulesFolder = "../../deploy/observability/rules"

// A scrape waits for the checks of /readyz, which may take three seconds each.
const prometheusConfiguration = `global: {scrape_interval: 4s, scrape_timeout: 4s, evaluation_interval: 1s}
rule_files: [rules/*.yaml]
scrape_configs:
  - job_name: referral
    file_sd_configs: [{files: [targets.json]}]
`

// hasten gives the rules other times, so that an alert fires and clears within seconds:
// it waits for a second, looks back for 15 seconds, and a minute of a threshold is 4
// seconds. The 2nd begins with the month. What counts the work of the schedule, which the
// test has do it each minute, looks back for longer.
func hasten(rules string) string {
	for _, change := range [][2]string{
		{`(referral_build_info\)) > 26 \* 60 \* 60`, "$1 > 20"}, {`26 \* 60 \* 60`, "100"}, {`\[3h\]`, "[100s]"},
		{`for: \d+[mhd]`, "for: 1s"}, {`\[\d+[mhd]\]`, "[15s]"}, {`offset \d+[mhd]`, "offset 15s"}, {`\* 60\b`, "* 4"}, {`>= 21 \* 3600`, ">= 0"},
	} {
		rules = regexp.MustCompile(change[0]).ReplaceAllString(rules, change[1])
	}
	return rules
}

func startWatch(t *testing.T, w *world) *watch {
	t.Helper()
	tool, err := toolchain.Prometheus(t.Context(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	p := &watch{w: w, tool: tool, address: freeAddress(w), targets: filepath.Join(t.TempDir(), "targets.json"), since: time.Now()}
	server, err := subprocess.StartServer(t.Context(), subprocess.Options{
		Name: "prometheus", Prepare: p.prepare, Interrupt: syscall.SIGTERM, Abort: syscall.SIGKILL,
		Command: func(ctx context.Context, dir string) *exec.Cmd {
			cmd := tool.Command(ctx, "prometheus", "--config.file="+filepath.Join(dir, "prometheus.yaml"), "--storage.tsdb.path="+filepath.Join(dir, "data"),
				"--web.listen-address="+p.address, "--log.level=warn")
			cmd.Dir = dir
			return cmd
		},
		Ready: func(ctx context.Context) error {
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.address+"/-/ready", http.NoBody)
			if err != nil {
				return err
			}
			answer, err := http.DefaultClient.Do(request)
			if err != nil {
				return err
			}
			defer answer.Body.Close()
			if answer.StatusCode != http.StatusOK {
				return errors.New(answer.Status)
			}
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	closing(t, server.Stop)
	return p
}

// prepare writes the configuration with the rules, hastened.
func (p *watch) prepare(_ context.Context, dir string) error {
	files := map[string]string{"prometheus.yaml": strings.Replace(prometheusConfiguration, "targets.json", p.targets, 1)}
	rules, err := filepath.Glob(rulesFolder + "/*.yaml")
	if err != nil || len(rules) == 0 {
		return fmt.Errorf("no rules: %w", err)
	}
	for _, file := range rules {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		files["rules/"+filepath.Base(file)] = hasten(string(text))
	}
	if err := os.Mkdir(filepath.Join(dir, "rules"), 0o700); err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// scrape has it scrape a process from now on, in place of the one before.
func (p *watch) scrape(s *server) {
	p.w.t.Helper()
	text := fmt.Sprintf(`[{"targets": [%q]}]`, s.admin)
	if err := os.WriteFile(p.targets+".new", []byte(text), 0o600); err != nil {
		p.w.t.Fatal(err)
	}
	if err := os.Rename(p.targets+".new", p.targets); err != nil {
		p.w.t.Fatal(err)
	}
}

// sample is a series that a query finds.
type sample struct{ Metric struct{ Alertname string } }

func (p *watch) query(expr string) ([]sample, error) {
	answer, err := http.Get("http://" + p.address + "/api/v1/query?query=" + url.QueryEscape(expr))
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	var found struct {
		Status, Error string
		Data          struct{ Result []sample }
	}
	if err := json.NewDecoder(answer.Body).Decode(&found); err != nil {
		return nil, err
	}
	if found.Status != "success" {
		return nil, errors.New(found.Error)
	}
	return found.Data.Result, nil
}

// names is the alerts that a query finds.
func (p *watch) names(query string) (names []string, err error) {
	found, err := p.query("count by (alertname) (" + query + ")")
	for _, s := range found {
		names = append(names, s.Metric.Alertname)
	}
	slices.Sort(names)
	return names, err
}

// showsPanels asks for what every panel of the dashboards shows. Those whose expression
// has one of some words may show nothing.
func (p *watch) showsPanels(mayBeEmpty ...string) {
	p.w.t.Helper()
	files, err := filepath.Glob(rulesFolder + "/../dashboards/*.json")
	if err != nil || len(files) == 0 {
		p.w.t.Fatalf("no dashboards: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			p.w.t.Fatal(err)
		}
		var page struct {
			Panels []struct {
				Title   string
				Targets []struct{ Expr string }
			}
		}
		if err := json.Unmarshal(text, &page); err != nil {
			p.w.t.Fatal(err)
		}
		for _, panel := range page.Panels {
			for _, target := range panel.Targets {
				expr := hasten(strings.ReplaceAll(target.Expr, "$__rate_interval", "15s"))
				found, err := p.query(expr)
				empty := len(found) == 0 && !slices.ContainsFunc(mayBeEmpty, func(word string) bool { return strings.Contains(expr, word) })
				if err != nil || empty {
					p.w.t.Errorf("%s, %q: %d series of %s, %v", filepath.Base(file), panel.Title, len(found), expr, err)
				}
			}
		}
	}
}

// fired is the alerts that have fired since some cleared last.
func (p *watch) fired() ([]string, error) {
	return p.names(fmt.Sprintf(`count_over_time(ALERTS{alertstate="firing"}[%.0fs])`, math.Ceil(time.Since(p.since).Seconds())))
}

// fires waits until alerts have fired since some cleared last.
func (p *watch) fires(alerts ...string) {
	p.w.t.Helper()
	p.await("firing", p.fired, func(fired []string) (missing []string) {
		return slices.DeleteFunc(slices.Clone(alerts), func(name string) bool { return slices.Contains(fired, name) })
	})
}

// clears waits until none of some alerts fires; of all of them, when none is named.
func (p *watch) clears(alerts ...string) {
	p.w.t.Helper()
	firing := func() ([]string, error) { return p.names(`ALERTS{alertstate="firing"}`) }
	p.await("clearing", firing, func(firing []string) (left []string) {
		return slices.DeleteFunc(firing, func(name string) bool { return len(alerts) > 0 && !slices.Contains(alerts, name) })
	})
	p.since = time.Now()
}

// silent checks that none of some alerts fires now, while another one names the fault.
func (p *watch) silent(alerts ...string) {
	p.w.t.Helper()
	firing, err := p.names(`ALERTS{alertstate="firing"}`)
	if err != nil || slices.ContainsFunc(alerts, func(name string) bool { return slices.Contains(firing, name) }) {
		p.w.t.Errorf("firing: %v, %v; want none of %v", firing, err, alerts)
	}
}

func (p *watch) await(what string, alerts func() ([]string, error), left func([]string) []string) {
	p.w.t.Helper()
	began := time.Now()
	defer func() { p.w.t.Logf("%s took %.0f s", what, time.Since(began).Seconds()) }()
	p.w.until(what, func() (bool, string) {
		names, err := alerts()
		if err != nil {
			return false, err.Error()
		}
		rest := left(names)
		return len(rest) == 0, strings.Join(rest, ", ")
	})
}
