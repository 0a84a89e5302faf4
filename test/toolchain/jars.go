package toolchain

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"referral/internal/toolcache"
)

// dependencies is the goal that copies the artifacts which a pom names.
const dependencies = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"

// Jars is a program that Maven's registry holds as a list of artifacts.
type Jars struct {
	Name string // for people
	Dir  string // the start of its directory's name, below the cache
	Size string // of the download, for people
	Pom  []byte // names the artifacts; nothing is compiled
	// Files are laid beside the jars, by name.
	Files map[string][]byte
}

// Get finds the jars in the cache or fetches them. They are in the directory
// libs below the returned one, which is named after the pom and the files, so
// that a changed pom gets its own.
func (j Jars) Get(ctx context.Context, java toolcache.Tool, log io.Writer) (string, error) {
	dir, err := toolcache.Once(ctx, j.Dir+"-"+j.fingerprint(), log, func(tmp, _ string) error {
		return j.fetch(ctx, java, tmp, log)
	})
	if err != nil {
		return "", fmt.Errorf("get %s: %w", j.Name, err)
	}
	return dir, nil
}

func (j Jars) fingerprint() string {
	hash := sha256.New()
	_, _ = hash.Write(j.Pom) // a hash takes everything
	for _, name := range slices.Sorted(maps.Keys(j.Files)) {
		_, _ = hash.Write(j.Files[name])
	}
	const enough = 6
	return hex.EncodeToString(hash.Sum(nil)[:enough])
}

func (j Jars) fetch(ctx context.Context, java toolcache.Tool, dir string, log io.Writer) error {
	maven, err := Maven(ctx, java, log)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(log, "downloading %s (once, %s) with Maven\n", j.Name, j.Size) // progress is a courtesy
	if err := j.lay(dir); err != nil {
		return err
	}
	repository := filepath.Join(dir, "repository")
	cmd := maven.Command(ctx, "mvn", "--batch-mode", "--quiet", "--strict-checksums",
		"-Dmaven.repo.local="+repository, dependencies,
		"-DincludeScope=runtime", "-DoutputDirectory="+filepath.Join(dir, "libs"))
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("fetch the artifacts: %w\n%s\nwhat to do: see that Maven reaches its registry (mirrors and proxies belong into ~/.m2/settings.xml)", err, toolcache.Tail(out))
	}
	if err := os.RemoveAll(repository); err != nil {
		return fmt.Errorf("remove Maven's own copies: %w", err)
	}
	return nil
}

func (j Jars) lay(dir string) error {
	files := map[string][]byte{"pom.xml": j.Pom}
	maps.Copy(files, j.Files)
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return fmt.Errorf("prepare the download: %w", err)
		}
	}
	return nil
}

// Maven finds mvn, set up to run with the given Java.
func Maven(ctx context.Context, java toolcache.Tool, log io.Writer) (toolcache.Tool, error) {
	home := "JAVA_HOME=" + filepath.Dir(java.BinDir)
	if real, err := filepath.EvalSymlinks(java.Path("java")); err == nil {
		home = "JAVA_HOME=" + filepath.Dir(filepath.Dir(real))
	}
	withJava := func(tools []toolcache.Tool) []toolcache.Tool {
		for i := range tools {
			tools[i].Env = append(append(tools[i].Env, java.Env...), home)
		}
		return tools
	}
	return toolcache.Spec{
		Name: "Maven", Dir: "maven", Size: "about 10 MB",
		Packages: [][]string{{"maven"}},
		Without:  regexp.MustCompile(`^(openjdk-.*|default-jre.*|ca-certificates-java|java-common)$`),
		System:   func() []toolcache.Tool { return withJava(toolcache.OnPath("mvn")) },
		Private: func(prefix string) []toolcache.Tool {
			return withJava(toolcache.BinDirs(prefix, "usr/share/maven/bin"))
		},
		Check: func(ctx context.Context, t toolcache.Tool) error {
			return toolcache.Run(t.Command(ctx, "mvn", "--version"))
		},
		Remedy: "install Maven yourself (apt-get install maven)",
	}.Get(ctx, log)
}
