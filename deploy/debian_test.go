package deploy

import (
	"crypto/sha256"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"referral/internal/toolcache"
	"referral/test/toolchain"
)

// pack builds the Debian package in a folder.
func pack(t *testing.T, dir string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	made(t, root, "-o", "build", "deb", "PROGRAM="+built(t), "DIST="+dir)
	found, err := filepath.Glob(filepath.Join(dir, "referral_*.deb"))
	if err != nil || len(found) != 1 {
		t.Fatalf("make deb has made %v, %v", found, err)
	}
	return found[0]
}

var debian struct {
	once sync.Once
	path string
}

// packed is the Debian package, built once for all tests.
func packed(t *testing.T) string {
	t.Helper()
	debian.once.Do(func() { debian.path = pack(t, filepath.Join(scratch, "deb")) })
	if debian.path == "" {
		t.Fatal("the package could not be built")
	}
	return debian.path
}

// systemd prepares a run of one of its programs.
func systemd(t *testing.T, program string, args ...string) *exec.Cmd {
	t.Helper()
	tool, err := toolchain.Systemd(t.Context(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	return tool.Command(t.Context(), program, args...)
}

// machine is a folder with the units that every system has, and nothing else installed.
func machine(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, path := range []string{"var/lib/dpkg/info", "var/lib/dpkg/updates", "etc", "lib/systemd/system", "usr/lib/sysusers.d"} {
		if err := os.MkdirAll(filepath.Join(dir, path), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "var/lib/dpkg/status"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, unit := range []string{"sysinit.target", "basic.target", "network-online.target", "multi-user.target", "shutdown.target", "umount.target", "local-fs.target", "system.slice", "-.slice"} {
		if err := os.WriteFile(filepath.Join(dir, "lib/systemd/system", unit), []byte("[Unit]\nDescription="+unit+"\nDefaultDependencies=no\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func dpkg(t *testing.T, machine string, args ...string) {
	t.Helper()
	command := append(asRoot("dpkg", "--root="+machine, "--log="+filepath.Join(machine, "dpkg.log"),
		"--force-script-chrootless", "--force-depends", "--force-bad-path"), args...)
	if err := toolcache.Run(exec.CommandContext(t.Context(), command[0], command[1:]...)); err != nil {
		t.Fatal(err)
	}
}

// A package is installed on a machine that has nothing: it brings the program, its user
// and units that systemd takes; it starts nothing, and leaves nothing when it is purged.
func TestTheDebianPackage(t *testing.T) {
	t.Parallel()
	deb := packed(t)
	if sha256.Sum256(read(t, deb)) != sha256.Sum256(read(t, pack(t, t.TempDir()))) {
		t.Error("built twice, the package has other bytes")
	}
	listed := output(t, "dpkg-deb", "--contents", deb)
	for _, want := range []string{
		"-rwxr-xr-x root/root .* ./usr/bin/referral", "drwx------ root/root .* ./etc/referral/secrets/", "-rw-r--r-- root/root .* ./etc/referral/config.yaml",
		"./lib/systemd/system/referral.service", "./lib/systemd/system/referral-migrate.service", "./usr/share/doc/referral/copyright",
		"./usr/share/doc/referral/runbook.md", "./usr/share/referral/observability/rules/alerts.yaml", "-rw-r--r-- root/root .* ./usr/share/referral/observability/dashboards/on-call.json",
	} {
		if !regexp.MustCompile(want + `\n`).MatchString(listed) {
			t.Errorf("%s is not in the package:\n%s", want, listed)
		}
	}

	m := machine(t)
	at := func(path string) string { return filepath.Join(m, path) }
	installs := canBeRoot(t)
	if installs {
		dpkg(t, m, "--install", deb)
	} else {
		output(t, "dpkg-deb", "--extract", deb, m)
		if err := toolcache.Run(systemd(t, "systemd-sysusers", "--root="+m, "referral.conf")); err != nil {
			t.Fatal(err)
		}
	}
	if users := string(read(t, at("etc/passwd"))); !strings.Contains(users, "referral:x:") || !strings.Contains(users, "/usr/sbin/nologin") {
		t.Errorf("the user of the service is not made:\n%s", users)
	}
	if said := output(t, at("usr/bin/referral"), "version"); !strings.Contains(said, commit) {
		t.Errorf("the installed program says\n%s", said)
	}
	if out, err := systemd(t, "systemctl", "--root="+m, "is-enabled", "referral.service").Output(); strings.TrimSpace(string(out)) != "disabled" {
		t.Errorf("the service is %q (%v) before anybody has configured it", out, err)
	}
	for _, unit := range []string{"referral.service", "referral-migrate.service"} {
		if out, err := systemd(t, "systemd-analyze", "verify", "--root="+m, unit).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("systemd-analyze verify %s: %v\n%s", unit, err, out)
		}
	}
	checkShippedConfiguration(t, m)
	if !installs {
		return
	}

	if err := os.WriteFile(at("etc/referral/secrets/database-dsn"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	dpkg(t, m, "--remove", "referral")
	if _, err := os.Stat(at("etc/referral/secrets/database-dsn")); err != nil {
		t.Errorf("removing the package removes secrets: %v", err)
	}
	dpkg(t, m, "--purge", "referral")
	if _, err := os.Stat(at("etc/referral")); !os.IsNotExist(err) {
		t.Errorf("purging the package leaves its configuration: %v", err)
	}
}

var (
	credential = regexp.MustCompile(`(?m)^LoadCredential=([\w-]+):(/etc/referral/secrets/[\w-]+)$`)
	variable   = regexp.MustCompile(`(?m)^Environment=(REFERRAL_\w+)=%d/([\w-]+)$`)
)

// checkShippedConfiguration has the installed program read the shipped configuration,
// alone and with everything that it and secrets.conf offer.
func checkShippedConfiguration(t *testing.T, machine string) {
	t.Helper()
	credentials := t.TempDir()
	environment := func(files ...string) []string {
		var set []string
		for _, file := range files {
			text := string(read(t, filepath.Join(machine, file)))
			for _, c := range credential.FindAllStringSubmatch(text, -1) {
				secret := "k3Yq9Zr2"
				if strings.HasPrefix(c[1], "database") {
					secret = "postgres://referral@db.example/referral"
				}
				if err := os.WriteFile(filepath.Join(credentials, c[1]), []byte(secret), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for _, v := range variable.FindAllStringSubmatch(text, -1) {
				set = append(set, v[1]+"="+filepath.Join(credentials, v[2]))
			}
		}
		return set
	}
	check := func(config string, environ []string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), filepath.Join(machine, "usr/bin/referral"), "--config", config, "check-config")
		cmd.Env = environ
		if err := toolcache.Run(cmd); err != nil {
			t.Error(err)
		}
	}
	config := filepath.Join(machine, "etc/referral/config.yaml")
	for _, unit := range []string{"referral.service", "referral-migrate.service"} {
		environ := environment("lib/systemd/system/" + unit)
		if len(environ) != 1 {
			t.Errorf("%s gives the program %v, want the connection string", unit, environ)
		}
		check(config, environ)
	}

	// A command that root runs has the secrets from the files that the configuration names.
	byRoot := func(text string) {
		t.Helper()
		file := filepath.Join(t.TempDir(), "config.yaml")
		if err := os.WriteFile(file, []byte(strings.ReplaceAll(text, "/etc/referral/secrets", credentials)), 0o600); err != nil {
			t.Fatal(err)
		}
		check(file, nil)
	}
	byRoot(string(read(t, config)))

	// Everything that is a comment, and the settings that the other secrets belong to.
	whole := regexp.MustCompile(`(?m)^# ((?:  )?\w+:.*)$`).ReplaceAllString(string(read(t, config)), "$1")
	whole = strings.Replace(whole, "\nkafka:\n", "\nkafka:\n  sasl: {mechanism: scram-sha-512, username: referral, password_file: /etc/referral/secrets/kafka-password}\n", 1) + `
invitations:
  email: {via: smtp, smtp: {host: mail.example, username: referral, password_file: /etc/referral/secrets/smtp-password, from: referral@example.ru}}
  sms: {via: smpp, smpp: {address: "smsc.example:2775", system_id: referral, password_file: /etc/referral/secrets/smpp-password}}
`
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(whole), 0o600); err != nil {
		t.Fatal(err)
	}
	environ := environment("lib/systemd/system/referral.service", "usr/share/doc/referral/secrets.conf")
	if len(environ) != 6 {
		t.Errorf("the units and secrets.conf give the program %v, want six secrets", environ)
	}
	check(file, environ)
	byRoot(whole)
	check(filepath.Join(machine, "usr/share/doc/referral/config.yaml"), environment("lib/systemd/system/referral.service"))
}

// The service may do little: systemd rates its exposure from 0 to 10.
func TestTheUnitsAreHardened(t *testing.T) {
	t.Parallel()
	units, err := filepath.Glob("systemd/*.service")
	if err != nil || len(units) != 2 {
		t.Fatalf("units: %v, %v", units, err)
	}
	const most = 2.0
	for _, unit := range units {
		out, err := systemd(t, "systemd-analyze", "security", "--offline=true", "--no-pager", unit).CombinedOutput()
		rated := regexp.MustCompile(`exposure level for \S+: ([\d.]+)`).FindSubmatch(out)
		if err != nil || rated == nil {
			t.Fatalf("systemd-analyze security %s: %v\n%s", unit, err, out)
		}
		if level, err := strconv.ParseFloat(string(rated[1]), 64); err != nil || level >= most {
			t.Errorf("%s is rated %s, want less than %g\n%s", unit, rated[1], most, out)
		}
	}
	// What may be different is what the two do.
	same := func(unit string) []string {
		_, hardening, found := strings.Cut(string(read(t, unit)), "CapabilityBoundingSet=\n")
		if !found {
			t.Fatalf("%s has no list of what it may not do", unit)
		}
		hardening, _, _ = strings.Cut(hardening, "\n[Install]")
		return strings.Fields(hardening)
	}
	if !slices.Equal(same(units[0]), same(units[1])) {
		t.Error("the two units are not hardened alike")
	}
}
