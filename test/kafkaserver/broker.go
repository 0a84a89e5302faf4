// Package kafkaserver runs a private Apache Kafka, the real one, as a single node for
// the tests: what a stand-in accepts, a broker may refuse.
package kafkaserver

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"text/template"
	"time"

	"referral/internal/subprocess"
)

// Options say how to run a broker. The zero value is a temporary one, tuned to
// start fast and to leave the processor to the tests.
type Options struct {
	// Dir keeps the data; a broker started on it again finds them. Empty means a
	// temporary directory, which goes with the broker.
	Dir string
	// SASLVia is the host:port that the broker names to clients of SASLAddr, where
	// something forwards to it. Empty means SASLAddr itself.
	SASLVia string
	// Log gets progress in plain words; nil means none.
	Log io.Writer
	// Throughput spends start-up time and memory on speed, for measurements.
	Throughput bool
}

// Broker is a running Kafka.
type Broker struct {
	software   software
	dir        string
	temp       *subprocess.TempDir
	lock       *subprocess.Lock
	password   string
	throughput bool
	saslVia    string
	ports      ports
	process    *subprocess.Process
}

type ports struct{ Port, SASLPort, ControllerPort int }

const (
	user          = "referral"
	startPatience = 2 * time.Minute
	stopPatience  = 30 * time.Second
	tempPrefix    = "referral-kafka"
)

// Start finds or fetches Kafka and returns when the broker answers.
func Start(ctx context.Context, o Options) (*Broker, error) {
	if o.Log == nil {
		o.Log = io.Discard
	}
	found, err := findSoftware(ctx, o.Log)
	if err != nil {
		return nil, err
	}
	b := &Broker{software: found, throughput: o.Throughput, saslVia: o.SASLVia}
	if err := b.start(ctx, o.Dir); err != nil {
		return nil, errors.Join(fmt.Errorf("start Kafka: %w", err), b.release())
	}
	return b, nil
}

func (b *Broker) start(ctx context.Context, dir string) error {
	if err := b.open(dir); err != nil {
		return err
	}
	for _, port := range []*int{&b.ports.Port, &b.ports.SASLPort, &b.ports.ControllerPort} {
		var err error
		if *port, err = subprocess.FreePort(); err != nil {
			return err
		}
	}
	if err := b.configure(); err != nil {
		return err
	}
	if err := b.format(ctx); err != nil {
		return err
	}
	return b.launch(ctx)
}

// open takes the directory for this process alone.
func (b *Broker) open(dir string) (err error) {
	if dir == "" {
		if b.temp, err = subprocess.NewTempDir(tempPrefix, func(string) bool { return false }); err != nil {
			return err
		}
		b.dir = b.temp.Path
		return nil
	}
	if b.dir, err = filepath.Abs(dir); err != nil {
		return fmt.Errorf("find the data directory: %w", err)
	}
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	if b.lock, err = subprocess.TryLock(filepath.Join(b.dir, "lock")); errors.Is(err, subprocess.ErrLocked) {
		return fmt.Errorf("another process runs a broker in %s: %w", b.dir, err)
	}
	return err
}

func (b *Broker) data() string       { return filepath.Join(b.dir, "data") }
func (b *Broker) configFile() string { return filepath.Join(b.dir, "server.properties") }
func (b *Broker) logFile() string    { return filepath.Join(b.dir, "kafka.log") }

func (b *Broker) configure() (err error) {
	parsed, err := template.New("server.properties").Parse(properties)
	if err != nil {
		return fmt.Errorf("read the broker's configuration: %w", err)
	}
	file, err := os.Create(b.configFile())
	if err != nil {
		return fmt.Errorf("write the broker's configuration: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	values := struct {
		ports
		LogDir, SASLVia string
	}{b.ports, b.data(), cmp.Or(b.saslVia, b.SASLAddr())}
	if err := parsed.Execute(file, values); err != nil {
		return fmt.Errorf("write the broker's configuration: %w", err)
	}
	return nil
}

// format gives an empty data directory its identity and its user.
func (b *Broker) format(ctx context.Context) error {
	secret := filepath.Join(b.dir, "password")
	if _, err := os.Stat(filepath.Join(b.data(), "meta.properties")); err == nil {
		password, err := os.ReadFile(secret)
		if err != nil {
			return fmt.Errorf("read the user's password: %w", err)
		}
		b.password = strings.TrimSpace(string(password))
		return nil
	}
	random := make([]byte, 32)
	if _, err := rand.Read(random); err != nil {
		return fmt.Errorf("make a password: %w", err)
	}
	const half = 16
	b.password = hex.EncodeToString(random[:half])
	if err := os.WriteFile(secret, []byte(b.password+"\n"), 0o600); err != nil {
		return fmt.Errorf("write the user's password: %w", err)
	}
	args := append(quick("128m"), "kafka.tools.StorageTool", "format",
		"--cluster-id="+base64.RawURLEncoding.EncodeToString(random[half:]), "--config="+b.configFile())
	for _, mechanism := range []string{"SCRAM-SHA-256", "SCRAM-SHA-512"} {
		args = append(args, "--add-scram", fmt.Sprintf("%s=[name=%s,password=%s]", mechanism, user, b.password))
	}
	if out, err := b.java(ctx, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("format the data directory: %w\n%s", err, out)
	}
	return nil
}

// quick are settings under which a JVM starts with half the work: the first
// compiler only, and a collector without threads of its own.
func quick(heap string) []string {
	return []string{"-Xmx" + heap, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"}
}

func (b *Broker) java(ctx context.Context, args ...string) *exec.Cmd {
	return b.software.java.Command(ctx, "java", append([]string{
		"-Djava.awt.headless=true",
		"-Dlog4j2.configurationFile=" + b.software.logging(),
		"-cp", filepath.Join(b.software.jars(), "*"),
	}, args...)...)
}

func (b *Broker) launch(ctx context.Context) (err error) {
	log, err := os.OpenFile(b.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the broker's log: %w", err)
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	args := quick("512m")
	if b.throughput {
		args = []string{"-Xms1g", "-Xmx1g", "-XX:+UseG1GC"}
	}
	// Not ended with ctx: the broker is stopped by Stop, in an orderly way.
	cmd := b.java(context.WithoutCancel(ctx), append(args, "kafka.Kafka", b.configFile())...)
	cmd.Dir = b.dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C in a terminal is for whoever calls Stop
	if b.process, err = subprocess.Start(cmd, syscall.SIGKILL); err != nil {
		return err
	}
	if err := b.waitReady(ctx); err != nil {
		text, readErr := os.ReadFile(b.logFile())
		return errors.Join(err, fmt.Errorf("the broker's log ends with:\n%s", lastLines(string(text))), readErr, b.process.Stop(syscall.SIGKILL, stopPatience))
	}
	return nil
}

func (b *Broker) waitReady(ctx context.Context) error {
	const pause = 100 * time.Millisecond
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	for {
		problem := b.probe(ctx)
		if problem == nil {
			return nil
		}
		select {
		case <-b.process.Done():
			return fmt.Errorf("the broker ended: %w", b.process.Wait())
		case <-ctx.Done():
			return fmt.Errorf("wait for the broker to answer: %w: %w", ctx.Err(), problem)
		case <-time.After(pause):
		}
	}
}

// Addr is where clients reach the broker without authentication.
func (b *Broker) Addr() string { return address(b.ports.Port) }

// SASLAddr is where clients reach the broker with User and Password, by
// SCRAM-SHA-256 or SCRAM-SHA-512.
func (b *Broker) SASLAddr() string { return address(b.ports.SASLPort) }

// User is the name for SASLAddr.
func (b *Broker) User() string { return user }

// Password is the password for SASLAddr.
func (b *Broker) Password() string { return b.password }

// Log is the file that the broker writes its messages to.
func (b *Broker) Log() string { return b.logFile() }

// Pause freezes the broker: connections stay open and nothing answers.
func (b *Broker) Pause() error { return b.process.Signal(syscall.SIGSTOP) }

// Resume ends Pause.
func (b *Broker) Resume() error { return b.process.Signal(syscall.SIGCONT) }

// Kill ends the broker at once, as a power cut would; Restart brings it back.
func (b *Broker) Kill() error {
	if err := b.process.Stop(syscall.SIGKILL, stopPatience); err != nil {
		return fmt.Errorf("kill Kafka: %w", err)
	}
	return nil
}

// Restart stops the broker, if it runs, and starts it on the same ports and data.
func (b *Broker) Restart(ctx context.Context) error {
	if err := b.halt(); err != nil {
		return fmt.Errorf("restart Kafka: %w", err)
	}
	if err := b.launch(ctx); err != nil {
		return fmt.Errorf("restart Kafka: %w", err)
	}
	return nil
}

// Stop stops the broker in an orderly way and removes a temporary directory.
func (b *Broker) Stop() error {
	if err := errors.Join(b.halt(), b.release()); err != nil {
		return fmt.Errorf("stop Kafka: %w", err)
	}
	return nil
}

func (b *Broker) halt() error {
	return errors.Join(b.Resume(), b.process.Stop(syscall.SIGTERM, stopPatience))
}

func (b *Broker) release() error {
	if b.temp != nil {
		return b.temp.Remove()
	}
	if b.lock != nil {
		return b.lock.Release()
	}
	return nil
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

func lastLines(text string) string {
	const enough = 20
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-enough):], "\n")
}
