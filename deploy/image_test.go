package deploy

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"referral/internal/sleep"
	"referral/internal/subprocess"
	"referral/test/toolchain"
)

// image builds the image by its Containerfile and returns its layout in a folder.
func image(t *testing.T) string {
	t.Helper()
	tool, err := toolchain.Buildah(t.Context(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	home, dist := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{
		"storage.conf":                   fmt.Sprintf("[storage]\ndriver = \"vfs\"\nrunroot = %q\ngraphroot = %q\n", filepath.Join(home, "run"), filepath.Join(home, "storage")),
		".config/containers/policy.json": `{"default": [{"type": "insecureAcceptAnything"}]}`,
	} {
		file := filepath.Join(home, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	// Go's cache is below the HOME that it is started with, so only buildah gets another.
	made(t, root, "-o", "build", "image", "PROGRAM="+built(t), "DIST="+dist,
		"BUILDAH=HOME="+home+" CONTAINERS_STORAGE_CONF="+filepath.Join(home, "storage.conf")+" BUILDAH_ISOLATION=chroot _CONTAINERS_USERNS_CONFIGURED=done "+
			strings.Join(asRoot(tool.Path("buildah")), " "))
	return filepath.Join(dist, "image")
}

// manifest is what names the parts of an image.
type manifest struct {
	Config struct{ Digest string }
	Layers []struct{ Digest string }
}

func blob(t *testing.T, layout, digest string) string {
	t.Helper()
	algorithm, hash, _ := strings.Cut(digest, ":")
	return filepath.Join(layout, "blobs", algorithm, hash)
}

func decode(t *testing.T, path string, into any) {
	t.Helper()
	if err := json.Unmarshal(read(t, path), into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// opened is the digest of the one manifest in a layout, and the manifest.
func opened(t *testing.T, layout string) (digest string, m manifest) {
	t.Helper()
	var index struct{ Manifests []struct{ Digest string } }
	decode(t, filepath.Join(layout, "index.json"), &index)
	if len(index.Manifests) != 1 {
		t.Fatalf("the layout has %d images", len(index.Manifests))
	}
	digest = index.Manifests[0].Digest
	decode(t, blob(t, layout, digest), &m)
	return digest, m
}

// unpacked lays the layers of an image out and returns the folder, and what is in it.
func unpacked(t *testing.T, layout string, m *manifest) (dir string, names []string) {
	t.Helper()
	dir, err := os.MkdirTemp(scratch, "root-") // another user must reach it
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, layer := range m.Layers {
		file, err := os.Open(blob(t, layout, layer.Digest))
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, unpack(t, file, dir)...)
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return dir, names
}

func unpack(t *testing.T, layer io.Reader, dir string) (names []string) {
	t.Helper()
	packed, err := gzip.NewReader(layer)
	if err != nil {
		t.Fatal(err)
	}
	for archive := tar.NewReader(packed); ; {
		head, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, head.Name)
		switch head.Typeflag {
		case tar.TypeDir:
			err = errors.Join(os.MkdirAll(path, 0o755), os.Chmod(path, head.FileInfo().Mode()))
		case tar.TypeReg:
			var content []byte
			if content, err = io.ReadAll(archive); err == nil {
				err = errors.Join(os.WriteFile(path, content, 0o600), os.Chmod(path, head.FileInfo().Mode()))
			}
			names = append(names, fmt.Sprintf("%s %d:%d %s", head.FileInfo().Mode(), head.Uid, head.Gid, head.Name))
		default:
			err = fmt.Errorf("%s is a file of type %c", head.Name, head.Typeflag)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// contained prepares a run of the program of an image as a container runtime has it: the
// root is the image's and cannot be written to, the user has no privileges.
func contained(ctx context.Context, t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	if !canBeRoot(t) {
		// This user can neither mount nor change the root, and is unprivileged already.
		cmd := exec.CommandContext(ctx, filepath.Join(dir, "usr/bin/referral"), args...)
		cmd.Dir, cmd.Env = filepath.Join(dir, "etc/referral"), []string{}
		return cmd
	}
	script := `set -e
mount --make-rprivate /
mount --bind "$0" "$0"
mount -o remount,bind,ro "$0"
exec chroot $CHANGE "$0" /usr/bin/referral "$@"`
	command, change := []string{"unshare", "--mount"}, "--userspec=65532:65532 --groups=65532"
	if os.Geteuid() != 0 {
		command, change = asRoot(), "" // root of the namespace alone
	}
	command = append(append(command, "sh", "-c", script, dir), args...)
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "CHANGE=" + change}
	return cmd
}

// The image holds the program and nothing else, is the same whenever it is built, and
// works in a root that it cannot write to.
func TestTheImage(t *testing.T) {
	t.Parallel()
	if !canBeRoot(t) {
		runsContained(t, assembled(t))
		return
	}
	layout := image(t)
	digest, m := opened(t, layout)
	if again, _ := opened(t, image(t)); again != digest {
		t.Errorf("built twice, the image is %s and %s", digest, again)
	}
	var config struct {
		Config struct {
			User, WorkingDir string
			Entrypoint, Cmd  []string
		}
	}
	decode(t, blob(t, layout, m.Config.Digest), &config)
	if got := fmt.Sprint(config.Config); got != "{65532:65532 /etc/referral [/usr/bin/referral] [serve]}" {
		t.Errorf("the image runs %s", got)
	}
	dir, names := unpacked(t, layout, &m)
	if got := strings.Join(names, "\n"); got != "-rwxr-xr-x 0:0 usr/bin/referral" {
		t.Errorf("the image holds\n%s", got)
	}

	runsContained(t, dir)
}

// assembled is what the image holds, put together without its own tool.
func assembled(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, folder := range []string{"usr/bin", "etc/referral"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "usr/bin/referral"), read(t, built(t)), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// runsContained has the program say which it is, check a configuration and serve.
func runsContained(t *testing.T, dir string) {
	t.Helper()
	if out, err := contained(t.Context(), t, dir, "version").CombinedOutput(); err != nil || !strings.Contains(string(out), commit) {
		t.Errorf("version: %v\n%s", err, out)
	}
	checked := contained(t.Context(), t, dir, "check-config")
	checked.Env = append(checked.Env, "REFERRAL_DATABASE_DSN=postgres://referral@127.0.0.1:1/referral")
	if out, err := checked.CombinedOutput(); err != nil || !strings.Contains(string(out), "timezone: Europe/Moscow") {
		t.Errorf("check-config: %v\n%s", err, out)
	}
	servesHealth(t, dir)
}

// servesHealth runs the service of an image until it answers, and ends it.
func servesHealth(t *testing.T, dir string) {
	t.Helper()
	admin, err := subprocess.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	service := contained(ctx, t, dir, "serve")
	var log strings.Builder
	service.Stdout, service.Stderr = &log, &log
	service.Env = append(service.Env, "REFERRAL_HTTP_ADMIN="+admin, "REFERRAL_HTTP_CABINET=127.0.0.1:0", "REFERRAL_KAFKA_BROKERS=127.0.0.1:1",
		"REFERRAL_DATABASE_DSN=postgres://referral@127.0.0.1:1/referral?connect_timeout=1")
	process, err := subprocess.Start(service, syscall.SIGKILL)
	if err != nil {
		t.Fatal(err)
	}
	status := 0
	for status != http.StatusOK && sleep.For(ctx, 50*time.Millisecond) {
		select {
		case <-process.Done():
			t.Fatalf("the service has ended\n%s", log.String())
		default:
		}
		if answer, err := http.Get("http://" + admin + "/healthz"); err == nil {
			status = answer.StatusCode
			if err := answer.Body.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if os.Geteuid() == 0 {
		var of unix.Stat_t
		if err := unix.Stat(fmt.Sprintf("/proc/%d", process.PID()), &of); err != nil || of.Uid != 65532 {
			t.Errorf("the service runs as user %d (%v)", of.Uid, err)
		}
	}
	if err := syscall.Kill(process.PID(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := process.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, log.String())
	}
}
