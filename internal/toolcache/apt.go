package toolcache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"referral/internal/subprocess"
)

// apt runs apt-get on a state of its own: it reads the system's sources and its
// list of installed packages, and writes nowhere but into dir.
type apt struct {
	dir    string
	config []string
}

// fresh is how long package lists are taken to be current. Mirrors drop
// packages that a security update has replaced, so not for long.
const fresh = time.Hour

// never lists packages whose files must come from the running system: a second
// C library beside the loader of the first one crashes.
var never = regexp.MustCompile(`^(libc6|libc-bin|libc-l10n|libc-dev-bin|base-files|base-passwd|dpkg|debconf|debianutils|init-system-helpers|tzdata)$`)

func (s Spec) fetchByApt(ctx context.Context, tmp string, log io.Writer) (err error) {
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("this system has no apt-get: %w", err)
	}
	a, lock, err := openApt(ctx, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	a.update(ctx, log)

	names, err := a.choose(ctx, s.Packages)
	if err != nil {
		return err
	}
	plan, err := a.plan(ctx, names, s.Without)
	if err != nil {
		return err
	}
	say(log, "downloading and unpacking %d packages", len(plan))
	return a.unpack(ctx, plan, tmp)
}

func openApt(ctx context.Context, log io.Writer) (apt, *subprocess.Lock, error) {
	cache, err := CacheDir()
	if err != nil {
		return apt{}, nil, err
	}
	system, err := release()
	if err != nil {
		return apt{}, nil, err
	}
	a := apt{dir: filepath.Join(cache, system, "apt")}
	for _, sub := range []string{"state/lists/partial", "cache/archives/partial", "log"} {
		if err := os.MkdirAll(filepath.Join(a.dir, sub), 0o755); err != nil {
			return apt{}, nil, fmt.Errorf("make apt's directories: %w", err)
		}
	}
	a.config = []string{
		"-q=2",
		"-o", "Dir::State=" + filepath.Join(a.dir, "state"),
		"-o", "Dir::State::status=" + filepath.Join(a.dir, "status"),
		"-o", "Dir::Cache=" + filepath.Join(a.dir, "cache"),
		"-o", "Dir::Log=" + filepath.Join(a.dir, "log"),
		"-o", "Acquire::Languages=none",
		"-o", "Acquire::Retries=3",
	}
	if os.Geteuid() == 0 {
		// apt's own download user cannot write where this runs.
		a.config = append(a.config, "-o", "APT::Sandbox::User=root")
	}
	lock, err := subprocess.WaitLock(ctx, a.dir+".lock", func() { say(log, "waiting for another process that is using apt") })
	if err != nil {
		return apt{}, nil, err
	}
	// A copy, so that apt's lock beside it is not the system's, which only root may take.
	status, err := os.ReadFile("/var/lib/dpkg/status")
	if err == nil {
		err = os.WriteFile(filepath.Join(a.dir, "status"), status, 0o644)
	}
	if err != nil {
		return apt{}, nil, errors.Join(fmt.Errorf("read which packages are installed: %w", err), lock.Release())
	}
	return a, lock, nil
}

func (a apt) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, append(args, a.config...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	return cmd
}

// update updates the package lists. One unreachable source must not stop what the
// others can serve, so a failure is only reported.
func (a apt) update(ctx context.Context, log io.Writer) {
	stamp := filepath.Join(a.dir, "updated")
	if info, err := os.Stat(stamp); err == nil && time.Since(info.ModTime()) < fresh {
		return
	}
	say(log, "updating the list of packages")
	if err := Run(a.command(ctx, "apt-get", "update")); err != nil {
		say(log, "warning: %v", err)
		return
	}
	if err := os.WriteFile(stamp, nil, 0o644); err != nil {
		say(log, "warning: %v", err)
	}
}

// choose picks from each list of alternatives the first that is on offer.
func (a apt) choose(ctx context.Context, alternatives [][]string) ([]string, error) {
	var chosen []string
	for _, names := range alternatives {
		name, err := a.firstOnOffer(ctx, names)
		if err != nil {
			return nil, err
		}
		chosen = append(chosen, name)
	}
	return chosen, nil
}

func (a apt) firstOnOffer(ctx context.Context, names []string) (string, error) {
	for _, name := range names {
		out, err := a.command(ctx, "apt-cache", "policy", name).Output()
		if err != nil {
			return "", fmt.Errorf("ask apt-cache for %s: %w", name, err)
		}
		_, rest, found := bytes.Cut(out, []byte("Candidate: "))
		if found && !bytes.HasPrefix(rest, []byte("(none)")) {
			return name, nil
		}
	}
	return "", fmt.Errorf("the system's package sources offer none of: %s", strings.Join(names, ", "))
}

var planned = regexp.MustCompile(`(?m)^Inst (\S+)(?: \[[^\]]*\])? \((\S+) `)

// plan asks which packages are missing, as name=version.
func (a apt) plan(ctx context.Context, names []string, without *regexp.Regexp) ([]string, error) {
	cmd := a.command(ctx, "apt-get", append([]string{"install", "--simulate", "--no-install-recommends"}, names...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("ask apt-get what %s needs: %w: %s", strings.Join(names, " "), err, Tail(stderr.Bytes()))
	}
	var plan []string
	for _, match := range planned.FindAllSubmatch(out, -1) {
		name := string(match[1])
		base, _, _ := strings.Cut(name, ":")
		if never.MatchString(base) || (without != nil && without.MatchString(base)) {
			continue
		}
		plan = append(plan, name+"="+string(match[2]))
	}
	if len(plan) == 0 {
		return nil, fmt.Errorf("apt says that %s is installed, but no usable program was found", strings.Join(names, " "))
	}
	return plan, nil
}

// unpack downloads the packages and lays their files out below prefix.
func (a apt) unpack(ctx context.Context, plan []string, prefix string) (err error) {
	debs, err := os.MkdirTemp(a.dir, "debs-*")
	if err != nil {
		return fmt.Errorf("make a download directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(debs)) }()
	download := a.command(ctx, "apt-get", append([]string{"download"}, plan...)...)
	download.Dir = debs
	if err := Run(download); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(debs, "*.deb"))
	if err != nil {
		return fmt.Errorf("list the downloaded packages: %w", err)
	}
	for _, file := range files {
		if err := Run(exec.CommandContext(ctx, "dpkg-deb", "-x", file, prefix)); err != nil {
			return err
		}
	}
	// Root of an archive may be private to anyone who made it.
	if err := os.Chmod(prefix, 0o755); err != nil {
		return fmt.Errorf("open the unpacked packages to readers: %w", err)
	}
	return nil
}
