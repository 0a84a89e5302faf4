// Package smppserver runs a private SMPP server for the tests, one that others wrote,
// and records what is said to it.
package smppserver

import (
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"referral/internal/subprocess"
	"referral/internal/toolcache"
	"referral/test/toolchain"
)

//go:embed pom.xml
var pom []byte

// Options say how to run a server. The zero value speaks plainly.
type Options struct {
	// TLS has the server speak over TLS only, with a certificate of its own.
	TLS bool
	// Log gets progress in plain words; nil means none.
	Log io.Writer
}

// Server is a running SMPP server: jSMPP's simulator. It takes every message, and
// a second later says that it was delivered, if that was asked for, naming in
// decimal the id that it gave in hexadecimal.
//
// It has its ways: until a new connection has bound itself, it takes no other;
// it greets everybody with a message of its own; and who leaves before that is
// answered ends the server. So clients reach it through a Recorder, which answers
// for those who leave.
type Server struct {
	temp     *subprocess.TempDir
	java     toolcache.Tool
	jars     string
	tls      bool
	password string
	port     int
	process  *subprocess.Process
}

const (
	systemID      = "referral"
	startPatience = time.Minute
	stopPatience  = 10 * time.Second
	tempPrefix    = "referral-smpp"
)

// Start finds or fetches the server and returns when it answers.
func Start(ctx context.Context, o Options) (*Server, error) {
	if o.Log == nil {
		o.Log = io.Discard
	}
	java, err := toolchain.Java(ctx, o.Log)
	if err != nil {
		return nil, err
	}
	dir, err := toolchain.Jars{Name: "an SMPP server", Dir: "smpp", Size: "about 1 MB, besides Maven's own parts", Pom: pom}.Get(ctx, java, o.Log)
	if err != nil {
		return nil, err
	}
	p := &Server{java: java, jars: filepath.Join(dir, "libs", "*"), tls: o.TLS}
	if p.temp, err = subprocess.NewTempDir(tempPrefix, func(string) bool { return false }); err != nil {
		return nil, err
	}
	if err := p.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start an SMPP server: %w", err), p.temp.Remove())
	}
	return p, nil
}

func (p *Server) start(ctx context.Context) (err error) {
	const bytesOfPassword = 4 // SMPP has room for eight characters
	secret := make([]byte, bytesOfPassword)
	if _, err := rand.Read(secret); err != nil {
		return fmt.Errorf("make a password: %w", err)
	}
	p.password = hex.EncodeToString(secret)
	if p.tls {
		if err := p.certify(ctx); err != nil {
			return err
		}
	}
	if p.port, err = subprocess.FreePort(); err != nil {
		return err
	}
	return p.launch(ctx)
}

// certify makes the key store that the server looks for, and Certificate.
func (p *Server) certify(ctx context.Context) error {
	store := []string{"-keystore", filepath.Join(p.temp.Path, "keystore.p12"), "-storetype", "PKCS12", "-storepass", "password", "-alias", "smpp"}
	for _, step := range [][]string{
		{"-genkeypair", "-keyalg", "EC", "-groupname", "secp256r1", "-validity", "7", "-dname", "CN=127.0.0.1", "-ext", "SAN=ip:127.0.0.1"},
		{"-exportcert", "-rfc", "-file", p.Certificate()},
	} {
		if out, err := p.java.Command(ctx, "keytool", append(step, store...)...).CombinedOutput(); err != nil {
			return fmt.Errorf("make a certificate: %w\n%s", err, out)
		}
	}
	return nil
}

func (p *Server) launch(ctx context.Context) (err error) {
	log, err := os.Create(p.Log())
	if err != nil {
		return fmt.Errorf("open the server's log: %w", err)
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	// Not ended with ctx: the server is stopped by Stop.
	cmd := p.java.Command(context.WithoutCancel(ctx), "java", "-Xmx64m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
		"-Dorg.slf4j.simpleLogger.log.org.jsmpp=info",
		"-Djsmpp.simulator.port="+strconv.Itoa(p.port), "-Djsmpp.simulator.ssl="+strconv.FormatBool(p.tls),
		"-Djsmpp.client.systemId="+systemID, "-Djsmpp.client.password="+p.password,
		"-cp", p.jars, "org.jsmpp.examples.SMPPServerSimulator")
	cmd.Dir = p.temp.Path
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C in a terminal is for whoever calls Stop
	if p.process, err = subprocess.Start(cmd, syscall.SIGKILL); err != nil {
		return err
	}
	if err := p.waitReady(ctx); err != nil {
		text, readErr := os.ReadFile(p.Log())
		return errors.Join(err, fmt.Errorf("the server's log says:\n%s", text), readErr, p.process.Stop(syscall.SIGKILL, stopPatience))
	}
	return nil
}

func (p *Server) waitReady(ctx context.Context) error {
	const pause = 50 * time.Millisecond
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	for {
		problem := p.probe(ctx)
		if problem == nil {
			return nil
		}
		select {
		case <-p.process.Done():
			return fmt.Errorf("the server ended: %w", p.process.Wait())
		case <-ctx.Done():
			return fmt.Errorf("wait for the server to answer: %w: %w", ctx.Err(), problem)
		case <-time.After(pause):
		}
	}
}

// Addr is where clients reach the server.
func (p *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(p.port)) }

// SystemID is the name that the server lets in.
func (p *Server) SystemID() string { return systemID }

// Password is the password for SystemID.
func (p *Server) Password() string { return p.password }

// Log is the file that the server writes its messages to. The texts in it are
// garbled, since the server takes all for ASCII: a Recorder has them whole.
func (p *Server) Log() string { return filepath.Join(p.temp.Path, "smpp.log") }

// Certificate is the file, in PEM, by which clients know a server with TLS.
func (p *Server) Certificate() string { return filepath.Join(p.temp.Path, "certificate.pem") }

// Stop stops the server and removes what it kept.
func (p *Server) Stop() error {
	// It knows no orderly end, and keeps nothing that one would save.
	if err := errors.Join(p.process.Stop(syscall.SIGKILL, stopPatience), p.temp.Remove()); err != nil {
		return fmt.Errorf("stop the SMPP server: %w", err)
	}
	return nil
}
