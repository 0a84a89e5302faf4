// Package kafkaserver runs a private Apache Kafka, the real one, as a single node
// for tests: what an imitation accepts, a broker may refuse.
package kafkaserver

import (
	"cmp"
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"text/template"

	"github.com/google/uuid"

	"referral/internal/subprocess"
	"referral/internal/toolcache"
	"referral/test/toolchain"
)

//go:embed pom.xml
var pom []byte

//go:embed log4j2.properties
var logging []byte

//go:embed server.properties.tmpl
var properties string

// Options say how to run a broker. The zero value is tuned to start fast and to
// leave the processor to the tests.
type Options struct {
	// SASLVia is the host:port that the broker names to clients of SASLAddr, where
	// a proxy forwards to it. Empty means SASLAddr itself.
	SASLVia string
	// Log gets progress; nil means none.
	Log io.Writer
	// Throughput spends start-up time and memory on speed, for measurements.
	Throughput bool
}

// Broker is a running Kafka.
type Broker struct {
	*subprocess.Server
	o         Options
	java      toolcache.Tool
	jars      string
	password  string
	addresses addresses
}

type addresses struct{ Plain, SASL, Controller string }

const user = "referral"

// Start finds or downloads Kafka and returns when the broker answers.
func Start(ctx context.Context, o Options) (*Broker, error) {
	if o.Log == nil {
		o.Log = io.Discard
	}
	b := &Broker{o: o, password: rand.Text()}
	var err error
	if b.java, err = toolchain.Java(ctx, o.Log); err != nil {
		return nil, err
	}
	b.jars, err = toolchain.Jars{Name: "Apache Kafka", Dir: "kafka", Size: "about 65 MB", Pom: pom}.Get(ctx, b.java, o.Log)
	if err != nil {
		return nil, err
	}
	for _, address := range []*string{&b.addresses.Plain, &b.addresses.SASL, &b.addresses.Controller} {
		if *address, err = subprocess.FreeAddress(); err != nil {
			return nil, err
		}
	}
	b.Server, err = subprocess.StartServer(ctx, subprocess.Options{
		Name: "kafka", Prepare: b.prepare, Command: b.server, Ready: b.ready,
		Interrupt: syscall.SIGTERM, Abort: syscall.SIGKILL,
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

func configIn(dir string) string  { return filepath.Join(dir, "server.properties") }
func loggingIn(dir string) string { return filepath.Join(dir, "log4j2.properties") }

// prepare writes the configuration, and gives the data directory its identity and
// its user.
func (b *Broker) prepare(ctx context.Context, dir string) error {
	if err := errors.Join(b.configure(dir), os.WriteFile(loggingIn(dir), logging, 0o644)); err != nil {
		return fmt.Errorf("write the broker's configuration: %w", err)
	}
	id := uuid.New()
	args := append(quick("128m"), "kafka.tools.StorageTool", "format",
		"--cluster-id="+base64.RawURLEncoding.EncodeToString(id[:]), "--config="+configIn(dir))
	for _, mechanism := range []string{"SCRAM-SHA-256", "SCRAM-SHA-512"} {
		args = append(args, "--add-scram", fmt.Sprintf("%s=[name=%s,password=%s]", mechanism, user, b.password))
	}
	if out, err := b.command(ctx, dir, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("format the data directory: %w\n%s", err, out)
	}
	return nil
}

func (b *Broker) configure(dir string) (err error) {
	parsed, err := template.New("server.properties").Parse(properties)
	if err != nil {
		return err
	}
	file, err := os.Create(configIn(dir))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return parsed.Execute(file, struct {
		addresses
		LogDir, SASLVia string
	}{b.addresses, filepath.Join(dir, "data"), cmp.Or(b.o.SASLVia, b.addresses.SASL)})
}

// quick are settings under which a JVM starts with half the work: the first
// compiler only, and a collector without threads of its own.
func quick(heap string) []string {
	return []string{"-Xmx" + heap, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"}
}

func (b *Broker) server(ctx context.Context, dir string) *exec.Cmd {
	args := quick("512m")
	if b.o.Throughput {
		args = []string{"-Xms1g", "-Xmx1g", "-XX:+UseG1GC"}
	}
	return b.command(ctx, dir, append(args, "kafka.Kafka", configIn(dir))...)
}

func (b *Broker) command(ctx context.Context, dir string, args ...string) *exec.Cmd {
	return b.java.Command(ctx, "java", append([]string{
		"-Djava.awt.headless=true",
		"-Dlog4j2.configurationFile=" + loggingIn(dir),
		"-cp", filepath.Join(b.jars, "libs", "*"),
	}, args...)...)
}

// Addr is where clients reach the broker without authentication.
func (b *Broker) Addr() string { return b.addresses.Plain }

// SASLAddr is where clients reach the broker with User and Password, by
// SCRAM-SHA-256 or SCRAM-SHA-512.
func (b *Broker) SASLAddr() string { return b.addresses.SASL }

// User is the name for SASLAddr.
func (b *Broker) User() string { return user }

// Password is the password for SASLAddr.
func (b *Broker) Password() string { return b.password }
