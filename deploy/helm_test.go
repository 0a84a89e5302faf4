package deploy

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"referral/internal/toolcache"
)

// kubernetes is the version that charts are rendered for.
const kubernetes = "1.31.0"

// goTool prepares a run of a tool that a module file beside tools/go.mod names.
func goTool(t *testing.T, module, tool string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"tool", "-modfile=tools/" + module + ".mod", tool}, args...)...)
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0") // the same build on every machine
	return cmd
}

// object is what the tests look at in an object of Kubernetes.
type object struct {
	Kind     string
	Metadata struct {
		Name        string
		Annotations map[string]string
	}
	Data map[string]string
	Spec map[string]any
}

// rendered is the objects of the chart with the values of a file, or with its own.
func rendered(t *testing.T, values string) (objects []object, text []byte) {
	t.Helper()
	with := []string{}
	if values != "" {
		with = []string{"--values", values}
	}
	chart := filepath.Join("deploy", "helm", "referral")
	if err := toolcache.Run(goTool(t, "helm", "helm", append([]string{"lint", "--strict", "--kube-version", kubernetes, chart}, with...)...)); err != nil {
		t.Fatal(err)
	}
	cmd := goTool(t, "helm", "helm", append([]string{"template", "referral", chart, "--kube-version", kubernetes}, with...)...)
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil {
		t.Fatalf("helm template: %v\n%s", err, complaints.String())
	}
	documents := yaml.NewDecoder(bytes.NewReader(out.Bytes()))
	for {
		var o object
		if documents.Decode(&o) != nil {
			break
		}
		objects = append(objects, o)
	}
	return objects, out.Bytes()
}

// kinds counts the objects by kind.
func kinds(objects []object) map[string]int {
	count := map[string]int{}
	for _, o := range objects {
		count[o.Kind]++
	}
	return count
}

// The chart and the compose file are of the program's version.
func TestVersionsAgree(t *testing.T) {
	t.Parallel()
	first, _, _ := strings.Cut(output(t, built(t), "version"), "\n")
	version := strings.TrimPrefix(first, "referral ")
	for file, line := range map[string]string{
		"helm/referral/Chart.yaml": "\nversion: " + version + "\nappVersion: " + version + "\n",
		"compose/compose.yaml":     "image: ${REFERRAL_IMAGE:-referral:" + version + "}\n",
	} {
		if !strings.Contains(string(read(t, file)), line) {
			t.Errorf("%s is not of %s", file, first)
		}
	}
}

// The chart gives objects whose every field Kubernetes knows, and a configuration that
// the program accepts, with its own values and with each file in ci.
func TestTheChart(t *testing.T) {
	t.Parallel()
	strict := filepath.Join(scratch, "kubestrict")
	if err := toolcache.Run(exec.CommandContext(t.Context(), "go", "build", "-C", filepath.Join(root, "tools", "kubestrict"), "-o", strict, ".")); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("helm/referral/ci/*-values.yaml")
	if err != nil || len(files) < 2 {
		t.Fatalf("values: %v, %v", files, err)
	}
	for _, file := range append([]string{""}, files...) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			values := file
			if values != "" {
				values = filepath.Join("deploy", file)
			}
			objects, text := rendered(t, values)
			check := exec.CommandContext(t.Context(), strict)
			check.Stdin = bytes.NewReader(text)
			if err := toolcache.Run(check); err != nil {
				t.Error(err)
			}
			count := kinds(objects)
			if count["Deployment"] != 1 || count["Job"] != 1 || count["PodDisruptionBudget"] != 1 || count["Service"] != 3 || count["ConfigMap"] != 2 {
				t.Errorf("the chart gives %v", count)
			}
			if whole := strings.Contains(file, "production"); whole != (count["ServiceMonitor"] == 1) || whole != (count["PrometheusRule"] > 1) {
				t.Errorf("%s gives %v for the Prometheus operator", file, count)
			}
			if strings.Contains(file, "small") == (count["NetworkPolicy"] == 1) {
				t.Errorf("%s gives %d network policies", file, count["NetworkPolicy"])
			}
			for _, o := range objects {
				switch o.Kind {
				case "ConfigMap":
					acceptsConfiguration(t, o.Data["config.yaml"])
				case "PrometheusRule":
					isTheRuleFile(t, &o)
				}
			}
		})
	}
}

var secretFile = regexp.MustCompile(`/run/secrets/referral/([\w-]+)`)

// acceptsConfiguration has the program check a configuration. Every secret that it names
// is there.
func acceptsConfiguration(t *testing.T, text string) {
	t.Helper()
	dir := t.TempDir()
	for _, secret := range secretFile.FindAllStringSubmatch(text, -1) {
		value := "k3Yq9Zr2"
		if secret[1] == "database-dsn" {
			value = "postgres://referral@db.example/referral"
		}
		if err := os.WriteFile(filepath.Join(dir, secret[1]), []byte(value), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(config, []byte(strings.ReplaceAll(text, "/run/secrets/referral", dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), built(t), "--config", config, "check-config")
	cmd.Env = []string{}
	if err := toolcache.Run(cmd); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
}

// isTheRuleFile checks that a PrometheusRule says what the file of its name does, whose
// own tests are in deploy/observability.
func isTheRuleFile(t *testing.T, o *object) {
	t.Helper()
	var want map[string]any
	name := strings.TrimPrefix(o.Metadata.Name, "referral-") + ".yaml"
	if err := yaml.Unmarshal(read(t, filepath.Join("observability", "rules", name)), &want); err != nil {
		t.Fatal(err)
	}
	got, err := yaml.Marshal(o.Spec)
	if err != nil {
		t.Fatal(err)
	}
	if wanted, err := yaml.Marshal(want); err != nil || !bytes.Equal(got, wanted) {
		t.Errorf("%s is not observability/rules/%s (%v)", o.Metadata.Name, name, err)
	}
}

// kubestrict finds a field that does not exist; otherwise it would prove nothing.
func TestTheChartIsReadStrictly(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "go", "run", "-C", filepath.Join(root, "tools", "kubestrict"), ".")
	cmd.Stdin = strings.NewReader("apiVersion: v1\nkind: ConfigMap\ndatum: {}\n")
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), `unknown field "datum"`) {
		t.Errorf("an unknown field: %v\n%s", err, out)
	}
}
