// Package kafkaserver runs a private Apache Kafka, the real one, as a single node or
// as a cluster, for tests: what an imitation accepts, a broker may refuse.
package kafkaserver

import (
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
	"strings"
	"syscall"
	"text/template"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"referral/internal/subprocess"
	"referral/internal/toolcache"
	"referral/test/pki"
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
	// SASLVia is the host:port that each node names to clients of SASLAddr, where a
	// proxy forwards to it. None means SASLAddr itself.
	SASLVia []string
	// Log gets progress; nil means none.
	Log io.Writer
	// Throughput spends start-up time and memory on speed, for measurements.
	Throughput bool
}

// Broker is a running Kafka, or one node of it.
type Broker struct {
	*subprocess.Server
	o         Options
	java      toolcache.Tool
	jars      string
	cluster   *cluster
	id        int // from 1
	addresses addresses
	authority []byte
}

type addresses struct{ Plain, SASL, TLS, Controller string }

// cluster is what all nodes know.
type cluster struct {
	id, password string
	nodes        []addresses
}

// inSync is how many replicas must have a message before it is acknowledged: all but
// one, so that a node may be missing.
func (c *cluster) inSync() int { return max(1, len(c.nodes)-1) }

const user = "referral"

// Start finds or downloads Kafka and returns when the broker answers.
func Start(ctx context.Context, o Options) (*Broker, error) {
	nodes, err := start(ctx, o, 1)
	if err != nil {
		return nil, err
	}
	return nodes[0], nil
}

// start starts nodes at once: none is ready before most of them are there.
func start(ctx context.Context, o Options, nodes int) ([]*Broker, error) {
	if o.Log == nil {
		o.Log = io.Discard
	}
	java, jars, err := get(ctx, o.Log)
	if err != nil {
		return nil, err
	}
	id := uuid.New()
	c := &cluster{id: base64.RawURLEncoding.EncodeToString(id[:]), password: rand.Text(), nodes: make([]addresses, nodes)}
	brokers := make([]*Broker, nodes)
	for i := range brokers {
		at := &c.nodes[i]
		for _, address := range []*string{&at.Plain, &at.SASL, &at.TLS, &at.Controller} {
			if *address, err = subprocess.FreeAddress(); err != nil {
				return nil, err
			}
		}
		brokers[i] = &Broker{o: o, java: java, jars: jars, cluster: c, id: i + 1, addresses: *at}
	}
	starting, ctx := errgroup.WithContext(ctx)
	for _, b := range brokers {
		starting.Go(func() (err error) {
			b.Server, err = subprocess.StartServer(ctx, subprocess.Options{
				Name: "kafka", Prepare: b.prepare, Command: b.server, Ready: b.ready,
				Interrupt: syscall.SIGTERM, Abort: syscall.SIGKILL,
			})
			return err
		})
	}
	if err := starting.Wait(); err != nil {
		return nil, errors.Join(err, stop(brokers))
	}
	return brokers, nil
}

// stop ends the nodes that have started. They are killed: the last ones would wait for
// the others to let them go.
func stop(brokers []*Broker) error {
	var errs []error
	for _, b := range brokers {
		if b.Server != nil {
			errs = append(errs, b.Kill(), b.Stop())
		}
	}
	return errors.Join(errs...)
}

func configIn(dir string) string  { return filepath.Join(dir, "server.properties") }
func loggingIn(dir string) string { return filepath.Join(dir, "log4j2.properties") }

// prepare writes the configuration, and gives the data directory its identity and
// its user.
func (b *Broker) prepare(ctx context.Context, dir string) error {
	if err := errors.Join(b.certify(dir), b.configure(dir), os.WriteFile(loggingIn(dir), logging, 0o644)); err != nil {
		return fmt.Errorf("write the broker's configuration: %w", err)
	}
	args := append(quick("128m"), "kafka.tools.StorageTool", "format",
		"--cluster-id="+b.cluster.id, "--config="+configIn(dir))
	for _, mechanism := range []string{"SCRAM-SHA-256", "SCRAM-SHA-512"} {
		args = append(args, "--add-scram", fmt.Sprintf("%s=[name=%s,password=%s]", mechanism, user, b.cluster.password))
	}
	if out, err := b.command(ctx, dir, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("format the data directory: %w\n%s", err, out)
	}
	return nil
}

func keyStoreIn(dir string) string { return filepath.Join(dir, "keystore.pem") }

// certify makes an authority, and a certificate for this machine that it has signed.
func (b *Broker) certify(dir string) error {
	authority, err := pki.New()
	if err != nil {
		return err
	}
	certificate, key, err := authority.Issue(time.Now().Add(24*time.Hour), "127.0.0.1", "localhost")
	if err != nil {
		return err
	}
	b.authority = authority.PEM()
	return os.WriteFile(keyStoreIn(dir), append(key, certificate...), 0o600)
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
		ID, Replicas, InSync    int
		Voters, LogDir, SASLVia string
		KeyStore                string
	}{
		b.addresses, b.id, len(b.cluster.nodes), b.cluster.inSync(),
		b.cluster.voters(), filepath.Join(dir, "data"), b.via(), keyStoreIn(dir),
	})
}

// via is where the node sends clients of its SASL address.
func (b *Broker) via() string {
	if b.o.SASLVia == nil {
		return b.addresses.SASL
	}
	return b.o.SASLVia[b.id-1]
}

func (c *cluster) voters() string {
	var voters []string
	for i, at := range c.nodes {
		voters = append(voters, fmt.Sprintf("%d@%s", i+1, at.Controller))
	}
	return strings.Join(voters, ",")
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
	return javaCommand(ctx, b.java, b.jars, dir, args...)
}

// javaCommand is a run of a class, whose logging is configured in dir.
func javaCommand(ctx context.Context, java toolcache.Tool, jars, dir string, args ...string) *exec.Cmd {
	return java.Command(ctx, "java", append([]string{
		"-Djava.awt.headless=true",
		"-Dlog4j2.configurationFile=" + loggingIn(dir),
		"-cp", filepath.Join(jars, "libs", "*"),
	}, args...)...)
}

// Addr is where clients reach the broker without authentication.
func (b *Broker) Addr() string { return b.addresses.Plain }

// SASLAddr is where clients reach the broker with User and Password, by
// SCRAM-SHA-256 or SCRAM-SHA-512.
func (b *Broker) SASLAddr() string { return b.addresses.SASL }

// TLSAddr is SASLAddr over TLS, by a certificate for 127.0.0.1 and localhost that
// Authority has signed.
func (b *Broker) TLSAddr() string { return b.addresses.TLS }

// Authority is the authority's certificate, in PEM.
func (b *Broker) Authority() []byte { return b.authority }

// User is the name for SASLAddr.
func (b *Broker) User() string { return user }

// Password is the password for SASLAddr.
func (b *Broker) Password() string { return b.cluster.password }
