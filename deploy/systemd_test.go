package deploy

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"referral/internal/sleep"
	"referral/internal/subprocess"
	"referral/internal/toolcache"
)

// prepare and start start the systemd of this machine as the first process of a machine of
// its own, whose root is $0 and which shares the programs and the network of this one. It
// knows only the units in /etc/systemd/system, so it changes nothing outside. Its mounts
// are shared, which it takes for granted in a container: else services see no credentials.
const prepare = `set -e
mount --make-rprivate /
mount --bind "$0" "$0"
cd "$0"
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty ptmx; do
	touch dev/$device
	mount --bind /dev/$device dev/$device
done
mkdir dev/shm dev/pts
mount -t overlay -o lowerdir="$0/usr:/usr" overlay usr
mount -t proc proc proc
mount --bind -o ro proc/sys proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
`

const start = `pivot_root . old
exec env -i PATH=/usr/sbin:/usr/bin container=test SYSTEMD_UNIT_PATH=/etc/systemd/system chroot . sh -c \
	'umount -l /old; mount --make-rshared /; exec /usr/lib/systemd/systemd --system --unit=multi-user.target --log-target=null --show-status=no'`

// apart runs a script, $1, in a control group of its own, $0, with further arguments.
const apart = `set -e
mkdir "$0"
echo 0 > "$0/cgroup.procs"
exec unshare --mount --pid --fork --kill-child --cgroup --uts --ipc bash -c "$@"`

// bootGroup is a control group for the first process, or empty when this machine has no
// systemd, or does not let its user prepare a machine.
func bootGroup(t *testing.T) string {
	t.Helper()
	groups, err := exec.CommandContext(t.Context(), "findmnt", "--noheadings", "--first-only", "--types=cgroup2", "--output=TARGET").Output()
	if _, missing := os.Stat("/usr/lib/systemd/systemd"); err != nil || missing != nil || os.Geteuid() != 0 {
		return ""
	}
	group, empty := filepath.Join(strings.TrimSpace(string(groups)), filepath.Base(scratch)), t.TempDir()
	for _, dir := range []string{"run", "tmp", "dev", "usr", "proc", "sys"} {
		if err := os.Mkdir(filepath.Join(empty, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.CommandContext(t.Context(), "bash", "-c", apart, group, prepare, empty).CombinedOutput()
	if removed := os.Remove(group); err == nil && removed != nil {
		t.Fatal(removed)
	}
	if err != nil {
		t.Logf("this machine lets nobody prepare a machine: %v\n%s", err, out)
		return ""
	}
	return group
}

// bootable makes a machine, on which the package is installed, one that boots.
func bootable(t *testing.T, m, admin string) {
	t.Helper()
	at := func(path string) string { return filepath.Join(m, path) }
	units, err := filepath.Glob(at("lib/systemd/system/*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"etc/systemd/system/referral.service.d", "var/log", "var/cache", "proc", "sys", "dev", "run", "tmp", "old"} {
		if err := os.MkdirAll(at(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, unit := range units {
		if err := os.Rename(unit, at("etc/systemd/system/"+filepath.Base(unit))); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.RemoveAll(at("lib")); err != nil {
		t.Fatal(err)
	}
	for _, link := range []string{"bin", "sbin", "lib", "lib64"} {
		if err := os.Symlink("usr/"+link, at(link)); err != nil {
			t.Fatal(err)
		}
	}
	for path, text := range map[string]string{
		"etc/systemd/system/referral.service.d/test.conf": "[Service]\nStandardError=append:/var/log/referral.log\n",
		"etc/referral/secrets/database-dsn":               "postgres://referral@127.0.0.1:1/referral?connect_timeout=1",
		"etc/referral/config.yaml":                        fmt.Sprintf("kafka: {brokers: [\"127.0.0.1:1\"]}\nhttp: {admin: %q, cabinet: \"127.0.0.1:0\"}\n", admin),
		"etc/machine-id":                                  strings.Repeat("0123456789abcdef", 2) + "\n",
	} {
		if err := os.WriteFile(at(path), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(at("etc/referral/config.yaml"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := toolcache.Run(systemd(t, "systemctl", "--root="+m, "enable", "referral.service")); err != nil {
		t.Fatal(err)
	}
}

// The installed unit runs under a real systemd: the secret reaches the service, which
// works although it may do little, and ends when it is asked to. TestTheDebianPackage
// and TestTheUnitsAreHardened check what can be checked on a machine without one.
func TestTheServiceRunsUnderSystemd(t *testing.T) {
	t.Parallel()
	group := bootGroup(t)
	if group == "" {
		return
	}
	admin, err := subprocess.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	m := machine(t)
	dpkg(t, m, "--install", packed(t))
	bootable(t, m, admin)
	cmd := exec.CommandContext(t.Context(), "bash", "-c", apart, group, prepare+start, m)
	said, err := os.Create(filepath.Join(t.TempDir(), "said"))
	if err != nil {
		t.Fatal(err)
	}
	defer said.Close() //nolint:errcheck // it is read by its name
	cmd.Stdout, cmd.Stderr = said, said
	booted, err := subprocess.Start(cmd, syscall.SIGKILL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = booted.Stop(syscall.SIGKILL, time.Second)
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		// The last processes may take a moment to end.
		for exec.CommandContext(ctx, "find", group, "-depth", "-type", "d", "-exec", "rmdir", "{}", "+").Run() != nil {
			if !sleep.For(ctx, 50*time.Millisecond) {
				t.Errorf("the control group %s cannot be removed", group)
				return
			}
		}
	})
	log := func() string {
		text, _ := os.ReadFile(filepath.Join(m, "var/log/referral.log")) // none before the service has started
		return string(read(t, said.Name())) + string(text)
	}
	until := func(what string, ok func() bool) {
		t.Helper()
		for deadline := time.Now().Add(patience); !ok(); {
			select {
			case <-booted.Done():
				t.Fatalf("systemd has ended before %s\n%s", what, log())
			default:
			}
			if !sleep.For(t.Context(), 50*time.Millisecond) || time.Now().After(deadline) {
				t.Fatalf("not within %s: %s\n%s", patience, what, log())
			}
		}
	}
	until("the service answers", func() bool {
		answer, err := http.Get("http://" + admin + "/healthz")
		return err == nil && answer.Body.Close() == nil && answer.StatusCode == http.StatusOK
	})

	first, service := processes(t, m)
	status := string(read(t, fmt.Sprintf("/proc/%d/status", service)))
	for _, want := range []string{`Uid:\s+[1-9]`, `NoNewPrivs:\s+1`, `Seccomp:\s+2`, `CapEff:\s+0+\n`, `CapBnd:\s+0+\n`} {
		if !regexp.MustCompile(`(?m)^` + want).MatchString(status) {
			t.Errorf("%s is not in the status of the service:\n%s", want, status)
		}
	}
	stop := exec.CommandContext(t.Context(), "nsenter", "--target", strconv.Itoa(first), "--mount", "--pid", "--root", "systemctl", "stop", "referral.service")
	if err := toolcache.Run(stop); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log(), `"msg":"stopped"`) {
		t.Errorf("the service did not end by itself:\n%s", log())
	}
}

// processes finds the first process of a booted machine, and the service on it.
func processes(t *testing.T, machine string) (first, service int) {
	t.Helper()
	commands, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range commands {
		text, _ := os.ReadFile(file) // processes end
		dir := filepath.Dir(file)
		if id, err := os.ReadFile(filepath.Join(dir, "root/etc/referral/secrets/database-dsn")); err != nil || !bytes.Contains(id, []byte("127.0.0.1:1/")) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			t.Fatal(err)
		}
		switch name, _, _ := strings.Cut(string(text), "\x00"); name {
		case "/usr/lib/systemd/systemd":
			first = pid
		case "/usr/bin/referral":
			service = pid
		}
	}
	if first == 0 || service == 0 {
		t.Fatalf("in %s systemd is process %d and the service %d", machine, first, service)
	}
	return first, service
}
