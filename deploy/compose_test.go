package deploy

import (
	"context"
	"encoding/json"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.yaml.in/yaml/v3"

	"referral/internal/demo/postgres"
	"referral/internal/subprocess"
	"referral/internal/toolcache"
	"referral/test/toolchain"
)

// project is what the tests look at in a compose file that was read whole.
type project struct {
	Services map[string]struct {
		Image    string
		ReadOnly bool `json:"read_only"`
		Deploy   struct{ Replicas int }
		Secrets  []struct{ Source, Target string }
		Volumes  []struct{ Type, Source, Target string }
	}
	Secrets map[string]struct{ File string }
}

// composed is the compose file in a folder of its own, with secrets made, as compose-go
// reads it.
func composed(t *testing.T) (dir string, p project) {
	t.Helper()
	parent := t.TempDir()
	for _, part := range []string{"compose", "observability"} {
		if err := os.CopyFS(filepath.Join(parent, part), os.DirFS(part)); err != nil {
			t.Fatal(err)
		}
	}
	dir = filepath.Join(parent, "compose")
	if err := os.RemoveAll(filepath.Join(dir, "secrets")); err != nil { // those of the working copy
		t.Fatal(err)
	}
	output(t, filepath.Join(dir, "secrets.sh"))
	reader := filepath.Join(t.TempDir(), "compose")
	build := exec.CommandContext(t.Context(), "go", "build", "-modfile=tools/compose.mod", "-o", reader, "github.com/compose-spec/compose-go/v2/cmd")
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if err := toolcache.Run(build); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), reader, "-format", "json", "compose.yaml")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err == nil {
		err = json.Unmarshal(out, &p)
	}
	if err != nil {
		t.Fatalf("compose-go: %v\n%s", err, out)
	}
	return dir, p
}

// The compose file is valid, what it mounts exists, and the program and Prometheus accept
// the files that it gives them.
func TestTheComposeFile(t *testing.T) {
	t.Parallel()
	dir, p := composed(t)
	for name, service := range p.Services {
		if _, tag, found := strings.Cut(filepath.Base(service.Image), ":"); !found || tag == "latest" {
			t.Errorf("%s runs %s, which names no version", name, service.Image)
		}
		for _, volume := range service.Volumes {
			if _, err := os.Stat(volume.Source); volume.Type == "bind" && err != nil {
				t.Errorf("%s mounts what is not there: %v", name, err)
			}
		}
		for _, secret := range service.Secrets {
			if text, err := os.ReadFile(p.Secrets[secret.Source].File); err != nil || len(text) < 16 {
				t.Errorf("%s has the secret %s: %v", name, secret.Source, err)
			}
		}
	}
	if service := p.Services["referral"]; service.Deploy.Replicas != 3 || !service.ReadOnly || !p.Services["migrate"].ReadOnly {
		t.Errorf("the service runs as %+v", service)
	}
	before := read(t, filepath.Join(dir, "secrets", "database-dsn"))
	output(t, filepath.Join(dir, "secrets.sh"))
	if string(before) != string(read(t, filepath.Join(dir, "secrets", "database-dsn"))) {
		t.Error("secrets.sh has replaced what was there")
	}
	for _, secret := range []string{"database-dsn", "database-owner-dsn"} {
		acceptsConfiguration(t, strings.ReplaceAll(string(read(t, filepath.Join(dir, "referral.yaml"))), "/run/secrets/database-dsn", filepath.Join(dir, "secrets", secret)))
	}

	config := filepath.Join(dir, "prometheus.yml")
	text := strings.ReplaceAll(string(read(t, config)), "/etc/prometheus/rules", filepath.Join(dir, "..", "observability", "rules"))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	prometheus, err := toolchain.Prometheus(t.Context(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	if out, err := prometheus.Command(t.Context(), "promtool", "check", "config", config).CombinedOutput(); err != nil || !strings.Contains(string(out), "rules found") {
		t.Errorf("promtool check config: %v\n%s", err, out)
	}

	var provider struct {
		Providers []struct{ Options struct{ Path string } }
	}
	if err := yaml.Unmarshal(read(t, filepath.Join(dir, "grafana", "dashboards.yaml")), &provider); err != nil || len(provider.Providers) != 1 {
		t.Fatalf("%+v, %v", provider, err)
	}
	var sources struct {
		Datasources []struct {
			Type, URL string
			IsDefault bool `yaml:"isDefault"`
		}
	}
	if err := yaml.Unmarshal(read(t, filepath.Join(dir, "grafana", "datasources.yaml")), &sources); err != nil || len(sources.Datasources) != 1 {
		t.Fatalf("%+v, %v", sources, err)
	}
	source := sources.Datasources[0]
	at, err := url.Parse(source.URL)
	if err != nil || source.Type != "prometheus" || !source.IsDefault || !strings.Contains(p.Services[at.Hostname()].Image, "/prometheus:") || at.Port() != "9090" {
		t.Errorf("Grafana reads %+v, %v", source, err)
	}
	for _, volume := range p.Services["grafana"].Volumes {
		if volume.Target == provider.Providers[0].Options.Path {
			if found, err := filepath.Glob(filepath.Join(volume.Source, "*.json")); err != nil || len(found) < 3 {
				t.Errorf("Grafana finds the dashboards %v, %v", found, err)
			}
			return
		}
	}
	t.Errorf("nothing is mounted at %s, where Grafana looks for dashboards", provider.Providers[0].Options.Path)
}

// The scripts of the compose file make a standby that has every commit of its primary.
func TestTheScriptsMakeAStandby(t *testing.T) {
	t.Parallel()
	primary, err := postgres.Start(t.Context(), postgres.Options{Settings: map[string]string{"fsync": "off"}, Log: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := primary.Stop(); err != nil {
			t.Error(err)
		}
	})
	tool, err := toolcache.PostgreSQL(t.Context(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	config, err := pgx.ParseConfig(primary.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	host, port, err := net.SplitHostPort(primary.Address())
	if err != nil {
		t.Fatal(err)
	}
	secrets, err := os.MkdirTemp(scratch, "secrets-") // the server's user reads it
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"service-password", "replication-password"} {
		if err := os.WriteFile(filepath.Join(secrets, name), []byte("of "+name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(secrets, 0o755); err != nil {
		t.Fatal(err)
	}
	script := func(ctx context.Context, name, user string, more ...string) *exec.Cmd {
		text := read(t, filepath.Join("compose", name))
		cmd := exec.CommandContext(ctx, "/bin/sh", append([]string{"-c", string(text), name}, more...)...)
		cmd.Env = append(append(os.Environ(), tool.Env...), "PATH="+tool.BinDir+":"+os.Getenv("PATH"), "SECRETS="+secrets, "PGHOST="+host, "PGPORT="+port, "PGUSER="+user)
		return cmd
	}
	roles := script(t.Context(), "postgres-roles.sh", config.User)
	access := t.TempDir()
	roles.Env = append(roles.Env, "PGPASSWORD="+config.Password, "PGDATA="+access)
	if err := toolcache.Run(roles); err != nil {
		t.Fatal(err)
	}
	if lines := string(read(t, filepath.Join(access, "pg_hba.conf"))); !strings.HasPrefix(lines, "host replication replicator ") {
		t.Errorf("the standby is let in by %q", lines)
	}
	conn, err := pgx.Connect(t.Context(), primary.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if _, err := conn.Exec(t.Context(), "SELECT pg_reload_conf()"); err != nil {
		t.Fatal(err)
	}
	free, err := subprocess.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	_, own, err := net.SplitHostPort(free)
	if err != nil {
		t.Fatal(err)
	}
	standby, err := subprocess.StartServer(t.Context(), subprocess.Options{
		Name: "standby", Unprivileged: true, Interrupt: syscall.SIGINT, Abort: syscall.SIGQUIT,
		Prepare: func(_ context.Context, dir string) error { return os.Chmod(dir, 0o700) },
		Command: func(ctx context.Context, dir string) *exec.Cmd {
			cmd := script(ctx, "postgres-standby.sh", "replicator", "-p", own, "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="+dir)
			cmd.Dir, cmd.Env = dir, append(cmd.Env, "PGDATA="+filepath.Join(dir, "data"))
			return cmd
		},
		Ready: func(ctx context.Context) error {
			var state string
			return conn.QueryRow(ctx, "SELECT sync_state FROM pg_stat_replication WHERE sync_state = 'sync'").Scan(&state)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := standby.Stop(); err != nil {
		t.Error(err)
	}
}
