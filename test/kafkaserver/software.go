package kafkaserver

import (
	"context"
	_ "embed"
	"io"
	"path/filepath"

	"referral/internal/toolcache"
	"referral/test/toolchain"
)

//go:embed pom.xml
var pom []byte

//go:embed log4j2.properties
var logging []byte

//go:embed server.properties.tmpl
var properties string

const loggingFile = "log4j2.properties"

// software is what it takes to run a broker.
type software struct {
	java toolcache.Tool
	dir  string
}

func (s software) jars() string    { return filepath.Join(s.dir, "libs") }
func (s software) logging() string { return filepath.Join(s.dir, loggingFile) }

// findSoftware finds Java and the broker's jars, or fetches them.
func findSoftware(ctx context.Context, log io.Writer) (software, error) {
	java, err := toolchain.Java(ctx, log)
	if err != nil {
		return software{}, err
	}
	dir, err := toolchain.Jars{
		Name: "Apache Kafka", Dir: "kafka", Size: "about 65 MB",
		Pom: pom, Files: map[string][]byte{loggingFile: logging},
	}.Get(ctx, java, log)
	if err != nil {
		return software{}, err
	}
	return software{java: java, dir: dir}, nil
}
