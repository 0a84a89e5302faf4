package toolchain

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"referral/internal/toolcache"
)

// dependencies is the goal that copies the artifacts which a pom names.
const dependencies = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"

// Jars is a program that Maven's registry holds as a list of artifacts.
type Jars struct {
	Name  string // for people
	Dir   string // the start of its directory's name, below the cache
	Size  string // of the download, for people
	Pom   []byte // names the artifacts; nothing is compiled
	Unzip string // a file in the only jar, to be unpacked beside it; may be empty
}

// Get finds the jars in the cache or downloads them. They are in the directory
// libs below the returned one, whose name has a digest of the pom, so that a
// changed pom gets its own.
func (j Jars) Get(ctx context.Context, java toolcache.Tool, log io.Writer) (string, error) {
	digest := sha256.Sum256(j.Pom)
	dir, err := toolcache.Once(ctx, fmt.Sprintf("%s-%x", j.Dir, digest[:6]), log, func(tmp, _ string) error {
		return j.fetch(ctx, java, tmp, log)
	})
	if err != nil {
		return "", fmt.Errorf("get %s: %w", j.Name, err)
	}
	return dir, nil
}

func (j Jars) fetch(ctx context.Context, java toolcache.Tool, dir string, log io.Writer) error {
	maven, err := Maven(ctx, java, log)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(log, "downloading %s (once, %s) with Maven\n", j.Name, j.Size) // progress is a courtesy
	if err := os.WriteFile(filepath.Join(dir, "pom.xml"), j.Pom, 0o644); err != nil {
		return fmt.Errorf("prepare the download: %w", err)
	}
	repository, libs := filepath.Join(dir, "repository"), filepath.Join(dir, "libs")
	cmd := maven.Command(ctx, "mvn", "--batch-mode", "--quiet", "--strict-checksums",
		"-Dmaven.repo.local="+repository, dependencies, "-DincludeScope=runtime", "-DoutputDirectory="+libs)
	cmd.Dir = dir
	if err := toolcache.Run(cmd); err != nil {
		return fmt.Errorf("download the artifacts: %w\nwhat to do: see that Maven reaches its registry (mirrors and proxies belong into ~/.m2/settings.xml)", err)
	}
	if err := os.RemoveAll(repository); err != nil {
		return fmt.Errorf("remove Maven's own copies: %w", err)
	}
	if j.Unzip == "" {
		return nil
	}
	return unzip(libs, j.Unzip, dir)
}

// unzip copies the file name out of the only jar in jars into dir.
func unzip(jars, name, dir string) (err error) {
	found, err := filepath.Glob(filepath.Join(jars, "*.jar"))
	if err != nil || len(found) != 1 {
		return fmt.Errorf("%s has %d jars, want one", jars, len(found))
	}
	archive, err := zip.OpenReader(found[0])
	if err != nil {
		return fmt.Errorf("open %s: %w", found[0], err)
	}
	defer func() { err = errors.Join(err, archive.Close()) }()
	content, err := fs.ReadFile(archive, name)
	if err != nil {
		return fmt.Errorf("unpack %s: %w", found[0], err)
	}
	return os.WriteFile(filepath.Join(dir, name), content, 0o644)
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
