package e2e

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"
)

// program is a built program with the configuration that it is run with.
type program struct {
	path, config string
}

// releaseCommit names, in the folder of a fixture, the commit that the release was built
// from.
const releaseCommit = "commit"

// lastRelease is the folder of the newest release whose commit is recorded: that of a
// release that is being made is not known before it is there.
func lastRelease(t *testing.T) string {
	t.Helper()
	all := releases(t)
	for _, version := range all[:min(len(all), 2)] {
		if _, err := os.Stat(filepath.Join(releaseFolder(version), releaseCommit)); err == nil {
			return releaseFolder(version)
		}
	}
	t.Fatalf("no file %s in the fixtures of the newest releases %v: CONTRIBUTING.md, \"Releases\", says how it is made", releaseCommit, all)
	return ""
}

// buildRelease builds the program of a release from the history of this repository.
func buildRelease(t *testing.T, folder string) program {
	t.Helper()
	name, err := os.ReadFile(filepath.Join(folder, releaseCommit))
	if err != nil {
		t.Fatal(err)
	}
	commit := strings.TrimSpace(string(name))
	var tree, complaints bytes.Buffer
	archive := exec.CommandContext(t.Context(), "git", "-c", "safe.directory=*", "-C", filepath.Join("..", ".."), "archive", "--format=tar", commit)
	archive.Stdout, archive.Stderr = &tree, &complaints
	if err := archive.Run(); err != nil {
		t.Fatalf("the program of release %s is built from commit %s, which git does not find here (%v: %s); run the tests in a full clone: git fetch --unshallow",
			filepath.Base(folder), commit, err, strings.TrimSpace(complaints.String()))
	}
	source := t.TempDir()
	unpack := exec.CommandContext(t.Context(), "tar", "-x", "-C", source)
	unpack.Stdin = &tree
	if out, err := unpack.CombinedOutput(); err != nil {
		t.Fatalf("unpacking commit %s: %v: %s", commit, err, out)
	}
	p := program{path: filepath.Join(t.TempDir(), "referral"), config: filepath.Join(folder, releaseConfig)}
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", p.path, "./cmd/referral")
	build.Dir = source
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the program of release %s: %v: %s", filepath.Base(folder), err, out)
	}
	return p
}

// upgrade is a release that is replaced by the next one, and the way back to it.
type upgrade struct {
	program
	// migrate brings the schema to the version of the next release.
	migrate func(*faultyRun)
	// startsAgain says that the release starts on the newer schema.
	startsAgain bool
}

// fromRelease replaces a release by this program.
func fromRelease(t *testing.T) *upgrade {
	t.Helper()
	folder := lastRelease(t)
	return &upgrade{
		program: buildRelease(t, folder), migrate: func(p *faultyRun) { p.w.must("migrate") },
		startsAgain: filepath.Base(folder) != "0.1.0", // which knows no table schema_programs
	}
}

// toNextRelease has this program replaced by itself, on the schema of a later release.
func toNextRelease(*testing.T) *upgrade {
	return &upgrade{program: program{environment.program, ourConfig()}, migrate: (*faultyRun).addMigration, startsAgain: true}
}

// addMigration does what the `migrate` of a later release of this minor version does.
func (p *faultyRun) addMigration() {
	p.w.t.Helper()
	_, err := p.w.db.Exec(p.w.t.Context(), `
		BEGIN;
		INSERT INTO schema_programs SELECT max(version_id) + 1, max(version_id) FROM goose_db_version;
		ALTER TABLE accounts ADD COLUMN of_the_next_release integer NOT NULL DEFAULT 0;
		ALTER TABLE invoices ADD COLUMN of_the_next_release integer NOT NULL DEFAULT 0;
		ALTER TABLE adjustments ADD COLUMN of_the_next_release integer NOT NULL DEFAULT 0;
		CREATE TABLE of_the_next_release (account_id bigint PRIMARY KEY);
		INSERT INTO goose_db_version (version_id, is_applied) SELECT max(version_id) + 1, true FROM goose_db_version;
		COMMIT`)
	if err != nil {
		p.w.t.Fatalf("migrating to a later release: %v", err)
	}
}

// replaceRelease is the life of two releases. The schema is migrated in the middle of
// a run and of taking facts. Then the next release works beside the one before, is given
// up, and at last replaces it.
func (p *faultyRun) replaceRelease() {
	w, u := p.w, p.fault.upgrade
	w.t.Helper()
	january, february := p.workload.Period(0).String(), p.workload.Period(1).String()
	before := p.launch()
	before.ready()
	p.tell(0)
	p.taken()
	if err := p.model.Run(january); err != nil {
		w.t.Fatal(err)
	}
	release := p.lock("adjustments")
	run := w.command(w.t.Context(), "run", january)
	var said bytes.Buffer
	run.Stdout, run.Stderr = &said, &said
	if err := run.Start(); err != nil {
		w.t.Fatal(err)
	}
	p.awaitBlocked()

	next := program{environment.program, ourConfig()}
	var after *server
	p.steps = []func(){
		func() {
			w.use(next)
			migrated := make(chan struct{})
			go func() { defer close(migrated); u.migrate(p) }()
			release()
			<-migrated
			if err := run.Wait(); err != nil {
				w.t.Errorf("the run that the migration came upon: %v\n%s", err, said.String())
			}
		},
		func() {
			after = p.launch()
			after.ready()
			p.members(2)
		},
		func() { // the way back
			p.stop(after)
			w.use(u.program)
			if !u.startsAgain {
				checkExit(w.t, w.command(w.t.Context(), "run", january), 2, "use a newer program")
				return
			}
			p.stop(before)
			w.must("migrate")
			before = p.launch()
			before.ready()
			w.must("run", january)
		},
		func() { // and forward again
			w.use(next)
			after = p.launch()
			after.ready()
			p.members(2)
		},
	}
	p.tell(1)
	if len(p.steps) > 0 {
		w.t.Errorf("%d steps are left when everything is sent", len(p.steps))
	}
	p.taken()
	p.run(january)
	p.run(february)
	w.published()
	if leads := p.metric(before, "referral_publisher_leader"); leads != 1 {
		w.t.Errorf("the release before publishes: %v, although it has led all the time", leads)
	}
	p.stop(before)
	w.until("the next release to publish", func() (bool, string) {
		return p.metric(after, "referral_publisher_leader") == 1, "it does not"
	})
	p.run(february)
	p.check("both months, by two releases")
	p.stop(after)
}

// sendInSteps sends a part of a batch, takes the next step, and so on. What comes after a
// step is taken while or after it is done.
func (p *faultyRun) sendInSteps(batch []message) {
	for len(batch) > 0 {
		n := len(batch)
		if len(p.steps) > 0 {
			n = min(n, stepEvery)
		}
		p.w.write(batch[:n])
		batch = batch[n:]
		if len(p.steps) > 0 {
			step := p.steps[0]
			p.steps = p.steps[1:]
			step()
		}
	}
}

// stepEvery is the messages that are sent from one step to the next.
const stepEvery = 40

// members waits until the consumer group has as many members, and all of them share
// the partitions.
func (p *faultyRun) members(want int) {
	w := p.w
	w.t.Helper()
	w.until("the group", func() (bool, string) {
		answer, err := w.client.DescribeGroups(context.WithoutCancel(w.t.Context()), &kafka.DescribeGroupsRequest{GroupIDs: []string{w.name}})
		if err != nil || len(answer.Groups) != 1 {
			return false, "it is not described"
		}
		g := answer.Groups[0]
		return g.GroupState == "Stable" && len(g.Members) >= want, g.GroupState
	})
}
