package deploy

import (
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// modules is the modules in the program, each as path@version.
func modules(t *testing.T) []string {
	t.Helper()
	info, err := buildinfo.ReadFile(built(t))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, module := range info.Deps {
		all = append(all, module.Path+"@"+module.Version)
	}
	if len(all) < 20 {
		t.Fatalf("the program names only %d modules", len(all))
	}
	slices.Sort(all)
	return all
}

// The list of materials names every module in the program, and Go itself.
func TestTheBillOfMaterials(t *testing.T) {
	t.Parallel()
	dist := t.TempDir()
	made(t, root, "-o", "build", "sbom", "PROGRAM="+built(t), "DIST="+dist)
	found, err := filepath.Glob(filepath.Join(dist, "*.cdx.json"))
	if err != nil || len(found) != 1 {
		t.Fatalf("make sbom has made %v, %v", found, err)
	}
	var bom struct {
		BOMFormat, SpecVersion string
		Metadata               struct {
			Component struct{ Name, Version string }
		}
		Components []struct{ Type, Name, Version, PURL string }
	}
	decode(t, found[0], &bom)
	if bom.BOMFormat != "CycloneDX" || bom.SpecVersion == "" || bom.Metadata.Component.Name != "referral" || bom.Metadata.Component.Version == "" {
		t.Errorf("the list is of %+v, %s %s", bom.Metadata, bom.BOMFormat, bom.SpecVersion)
	}
	var named []string
	for _, c := range bom.Components {
		if c.Name == "std" {
			continue
		}
		if c.Type != "library" || !strings.HasPrefix(c.PURL, "pkg:golang/"+c.Name+"@"+c.Version) {
			t.Errorf("%+v is not named as a module of Go", c)
		}
		named = append(named, c.Name+"@"+c.Version)
	}
	slices.Sort(named)
	if want := modules(t); !slices.Equal(named, want) {
		t.Errorf("the list names\n%s\nthe program has\n%s", strings.Join(named, "\n"), strings.Join(want, "\n"))
	}
}

// A vulnerability of a module in the program is found in a database that is given by its
// URL, and with an empty one nothing is.
func TestTheSearchForVulnerabilities(t *testing.T) {
	t.Parallel()
	path, version, _ := strings.Cut(modules(t)[0], "@")
	const id = "GO-2099-0001"
	entry := map[string]any{
		"schema_version": "1.3.1", "id": id, "modified": "2099-01-01T00:00:00Z", "published": "2099-01-01T00:00:00Z",
		"summary": "Made up for a test", "details": "Made up for a test", "database_specific": map[string]any{"url": "https://vulnerabilities.example/" + id},
		"affected": []any{map[string]any{
			"package": map[string]any{"name": path, "ecosystem": "Go"},
			"ranges":  []any{map[string]any{"type": "SEMVER", "events": []any{map[string]any{"introduced": "0"}}}},
		}},
	}
	search := func(dir string) (string, error) {
		cmd := exec.CommandContext(t.Context(), "make", "-C", root, "-o", "build", "vuln", "PROGRAM="+built(t), "VULNDB=file://"+dir)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	database := func(listed []any, vulnerabilities []any) string {
		dir := t.TempDir()
		for name, value := range map[string]any{
			"index/db.json":      map[string]any{"modified": "2099-01-01T00:00:00Z"},
			"index/modules.json": listed, "index/vulns.json": vulnerabilities, "ID/" + id + ".json": entry,
		} {
			text, err := json.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	if out, err := search(database([]any{}, []any{})); err != nil {
		t.Errorf("with an empty database: %v\n%s", err, out)
	}
	out, err := search(database(
		[]any{map[string]any{"path": path, "vulns": []any{map[string]any{"id": id, "modified": "2099-01-01T00:00:00Z"}}}},
		[]any{map[string]any{"id": id, "modified": "2099-01-01T00:00:00Z"}},
	))
	if err == nil || !strings.Contains(out, id) || !strings.Contains(out, fmt.Sprintf("%s@%s", path, version)) {
		t.Errorf("with a vulnerability of %s %s: %v\n%s", path, version, err, out)
	}
}
