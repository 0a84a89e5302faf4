package deploy

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"referral/internal/demo/postgres"
	"referral/internal/subprocess"
	"referral/internal/toolcache"
	"referral/test/kafkaserver"
	"referral/test/toolchain"
)

var (
	commands = regexp.MustCompile("(?ms)^```sh\n(.*?)^```$")
	value    = regexp.MustCompile(`(?m)^export (\w+)=(.*)$`)
)

// patience is how long the installation may take before the test gives up on it.
const patience = 2 * time.Minute

// The commands of docs/install.md lead from nothing to a settled and signed month, on
// servers that have nothing else.
func TestTheInstallation(t *testing.T) {
	t.Parallel()
	blocks := commands.FindAllStringSubmatch(string(read(t, filepath.Join(root, "docs", "install.md"))), -1)
	if len(blocks) < 10 {
		t.Fatalf("docs/install.md has %d blocks of commands", len(blocks))
	}
	values, path := installedAt(t)
	named := value.FindAllStringSubmatch(blocks[0][1], -1)
	if len(named) != len(values) || len(named) != strings.Count(blocks[0][1], "\n") {
		t.Fatalf("docs/install.md asks for the values\n%s", blocks[0][1])
	}
	var script strings.Builder
	script.WriteString("set -eu -o pipefail\n")
	for _, v := range named {
		if values[v[1]] == "" {
			t.Fatalf("docs/install.md asks for %s", v[1])
		}
		script.WriteString("export " + v[1] + "='" + values[v[1]] + "'\n")
	}
	for _, block := range blocks[1:] {
		script.WriteString(block[1])
	}

	cmd := exec.Command("bash", "-c", script.String())
	cmd.Dir, cmd.Env = copied(t), append(os.Environ(), "PATH="+path, "CGO_ENABLED=0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	shell, err := subprocess.Start(cmd, syscall.SIGKILL)
	if err != nil {
		t.Fatal(err)
	}
	// The service is in the shell's group, and ends with it.
	defer func() { _ = syscall.Kill(-shell.PID(), syscall.SIGKILL) }()
	late := time.AfterFunc(patience, func() { _ = syscall.Kill(-shell.PID(), syscall.SIGKILL) })
	defer late.Stop()
	if err := shell.Wait(); err != nil {
		log, _ := os.ReadFile(filepath.Join(values["LOGS"], "referral.log")) // it may have ended before there was one
		t.Fatalf("docs/install.md: %v\n%s\nthe end of the log of the service:\n%s", err, out.String(), log[max(0, len(log)-4000):])
	}
	for _, want := range []string{"schema version", "referral_build_info", "it ties", "is closed, signed by the installer"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not said:\n%s", want, out.String())
		}
	}
}

// installedAt is the values that docs/install.md asks for, on servers of the test alone,
// and the PATH with the clients that it uses.
func installedAt(t *testing.T) (values map[string]string, path string) {
	t.Helper()
	database, err := postgres.Start(t.Context(), postgres.Options{Settings: map[string]string{"fsync": "off"}, Log: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	broker, err := kafkaserver.Start(t.Context(), kafkaserver.Options{Log: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, stop := range []func() error{database.Stop, broker.Stop} {
			if err := stop(); err != nil {
				t.Error(err)
			}
		}
	})
	server, err := toolcache.PostgreSQL(t.Context(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	dirs := []string{server.BinDir}
	for name, version := range map[string]string{"kcat": "-V", "jq": "--version", "curl": "--version"} {
		tool, err := toolchain.Client(t.Context(), t.Output(), name, version)
		if err != nil {
			t.Fatal(err)
		}
		dirs = append(dirs, tool.BinDir)
	}
	dir := t.TempDir()
	values = map[string]string{
		"PREFIX": filepath.Join(dir, "usr"), "CONFIG": filepath.Join(dir, "etc"), "LOGS": dir,
		"SERVER": database.Address(), "ADMIN": database.DSN("postgres"), "BROKERS": broker.Addr(), "REPLICATION": "1",
	}
	for _, name := range []string{"CABINET", "METRICS"} {
		if values[name], err = subprocess.FreeAddress(); err != nil {
			t.Fatal(err)
		}
	}
	return values, strings.Join(append(dirs, os.Getenv("PATH")), ":")
}
