package deploy

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// commit is what the builds of the tests say they are of.
const commit = "0123456789abcdef"

// made runs a target of the Makefile in a folder that holds the sources.
func made(t *testing.T, sources string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "make", append([]string{"--no-print-directory", "-C", sources, "COMMIT=" + commit}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

var program struct {
	once sync.Once
	path string
}

// built is the program, built once for all tests.
func built(t *testing.T) string {
	t.Helper()
	program.once.Do(func() {
		path := filepath.Join(scratch, "bin", "referral")
		made(t, root, "build", "PROGRAM="+path)
		program.path = path
	})
	if program.path == "" {
		t.Fatal("the program could not be built")
	}
	return program.path
}

// root is the folder of the repository, scratch one of the tests alone.
var root, scratch string

func TestMain(m *testing.M) {
	status, err := prepareAndRun(m)
	if err != nil {
		panic(err)
	}
	os.Exit(status)
}

func prepareAndRun(m *testing.M) (status int, err error) {
	if root, err = filepath.Abs(".."); err != nil {
		return 0, err
	}
	if scratch, err = os.MkdirTemp("", "referral-deploy-"); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	// An image runs as another user, who must reach what it is given.
	if err := os.Chmod(scratch, 0o755); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

// Every file is in what installs the service, which the tests of its folder build and
// check, or is found by them by its name.
func TestEveryFileIsUsed(t *testing.T) {
	t.Parallel()
	_, chart := rendered(t, "deploy/helm/referral/ci/production-values.yaml")
	within := map[string]string{
		"compose": string(read(t, "compose/compose.yaml")), "debian": string(read(t, "debian/nfpm.yaml")), "systemd": string(read(t, "debian/nfpm.yaml")),
		"image": string(read(t, filepath.Join(root, "Makefile"))), "templates": string(chart),
	}
	found := []string{ // by the tools, or by the patterns of tests
		"*.go", "compose/compose.yaml", "compose/.gitignore", "compose/secrets/*", "debian/nfpm.yaml", "helm/referral/.helmignore", "helm/referral/Chart.yaml",
		"helm/referral/values.yaml", "helm/referral/templates/_helpers.tpl", "helm/referral/ci/*-values.yaml", "helm/referral/rules", "observability/*.go", "observability/rules/*.yaml",
		"observability/tests/*.yaml", "observability/dashboards/*.json", "observability/dashboards/*.go",
	}
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || slices.ContainsFunc(found, func(pattern string) bool { ok, _ := filepath.Match(pattern, path); return ok }) {
			return err
		}
		folder, _, _ := strings.Cut(path, "/")
		if filepath.Base(filepath.Dir(path)) == "templates" {
			folder = "templates"
		}
		if !strings.Contains(within[folder], "/"+filepath.Base(path)) {
			t.Errorf("deploy/%s is not used by what installs the service, or by a test", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, stdout.String(), stderr.String())
	}
	return stdout.String()
}

// asRoot is the command line of a program that needs to be root: where this user is not,
// in a namespace in which it seems to be.
func asRoot(args ...string) []string {
	if os.Geteuid() == 0 {
		return args
	}
	return append([]string{"unshare", "--map-root-user", "--mount"}, args...)
}

// canBeRoot tells whether this machine lets its users make such namespaces.
func canBeRoot(t *testing.T) bool {
	t.Helper()
	command := asRoot("true")
	return exec.CommandContext(t.Context(), command[0], command[1:]...).Run() == nil
}

// copied is the sources in another folder.
func copied(t *testing.T) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "somewhere", "else")
	err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		relative, _ := filepath.Rel(root, path)
		switch name := entry.Name(); {
		case err != nil:
			return err
		case relative == ".":
			return os.MkdirAll(to, 0o755)
		case strings.HasPrefix(name, ".") || relative == "bin" || relative == "test" || relative == "docs":
			if entry.IsDir() {
				return filepath.SkipDir
			}
			return nil
		case entry.IsDir():
			return os.Mkdir(filepath.Join(to, relative), 0o755)
		case entry.Type()&os.ModeSymlink != 0:
			return nil // the rules in the chart
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, relative), content, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// The program needs no library of the machine, says which commit it is of, and is the
// same to the byte wherever it is built.
func TestTheProgramIsStaticAndReproducible(t *testing.T) {
	t.Parallel()
	path := built(t)
	file, err := elf.NewFile(bytes.NewReader(read(t, path)))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range file.Progs {
		if part.Type == elf.PT_INTERP || part.Type == elf.PT_DYNAMIC {
			t.Errorf("the program has a %s: it is not static", part.Type)
		}
	}
	if said := output(t, path, "version"); !strings.Contains(said, commit) {
		t.Errorf("the program does not say that it is of %s:\n%s", commit, said)
	}
	other := filepath.Join(t.TempDir(), "referral")
	made(t, copied(t), "build", "PROGRAM="+other)
	if sha256.Sum256(read(t, path)) != sha256.Sum256(read(t, other)) {
		t.Error("built in another folder, the program has other bytes")
	}
}
