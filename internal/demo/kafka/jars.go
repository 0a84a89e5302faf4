package kafka

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"referral/internal/demo/parts"
)

//go:embed pom.xml
var pom []byte

//go:embed log4j2.properties
var logging []byte

//go:embed server.properties.tmpl
var properties string

// dependencies is the goal that copies the artifacts which the pom names.
const dependencies = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"

// software is what it takes to run a broker.
type software struct {
	java parts.Tool
	dir  string
}

func (s software) jars() string    { return filepath.Join(s.dir, "libs") }
func (s software) logging() string { return filepath.Join(s.dir, "log4j2.properties") }

// findSoftware finds Java and the broker's jars, or fetches them. The jars'
// directory is named after the pom, so that a changed pom gets its own.
func findSoftware(ctx context.Context, log io.Writer) (software, error) {
	java, err := parts.Java(ctx, log)
	if err != nil {
		return software{}, err
	}
	sum := sha256.Sum256(append(append([]byte{}, pom...), logging...))
	const enough = 6
	dir, err := parts.Once(ctx, "kafka-"+hex.EncodeToString(sum[:enough]), log, func(tmp, _ string) error {
		return fetchJars(ctx, java, tmp, log)
	})
	if err != nil {
		return software{}, fmt.Errorf("get Apache Kafka: %w", err)
	}
	return software{java: java, dir: dir}, nil
}

func fetchJars(ctx context.Context, java parts.Tool, dir string, log io.Writer) error {
	maven, err := parts.Maven(ctx, java, log)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintln(log, "fetching Apache Kafka (once, about 65 MB) with Maven")
	for name, content := range map[string][]byte{"pom.xml": pom, "log4j2.properties": logging} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return fmt.Errorf("prepare the download: %w", err)
		}
	}
	repository := filepath.Join(dir, "repository")
	cmd := maven.Command(ctx, "mvn", "--batch-mode", "--quiet", "--strict-checksums",
		"-Dmaven.repo.local="+repository, dependencies,
		"-DincludeScope=runtime", "-DoutputDirectory="+filepath.Join(dir, "libs"))
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("fetch Kafka's artifacts: %w\n%s\nwhat to do: see that Maven reaches its registry (mirrors and proxies belong into ~/.m2/settings.xml)", err, out)
	}
	if err := os.RemoveAll(repository); err != nil {
		return fmt.Errorf("remove Maven's own copies: %w", err)
	}
	return nil
}
