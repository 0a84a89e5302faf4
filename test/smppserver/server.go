// Package smppserver runs a private SMPP server that others wrote, for tests, and
// records what clients send to it.
package smppserver

import (
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"referral/internal/subprocess"
	"referral/internal/toolcache"
	"referral/test/toolchain"
)

//go:embed pom.xml
var pom []byte

// Server is a running SMPP server: jSMPP's simulator. It accepts every message,
// and a second later says that it was delivered, if that was asked for, naming in
// decimal the id that it gave in hexadecimal.
//
// It has its limits: until a new connection has bound itself, it accepts no other;
// it sends everybody a message of its own; and a client that leaves before it has
// answered that message ends the server. So clients reach it through a Recorder,
// which answers in their place.
type Server struct {
	*subprocess.Server
	java     toolcache.Tool
	jars     string
	password string
	address  string
}

// SystemID is the name that a server accepts.
const SystemID = "referral"

// Start finds or downloads the server and returns when it answers. Progress goes
// to log.
func Start(ctx context.Context, log io.Writer) (*Server, error) {
	s := &Server{password: rand.Text()[:8]} // SMPP has room for eight characters
	var err error
	if s.java, err = toolchain.Java(ctx, log); err != nil {
		return nil, err
	}
	s.jars, err = toolchain.Jars{Name: "an SMPP server", Dir: "smpp", Size: "about 1 MB, besides Maven's own parts", Pom: pom}.Get(ctx, s.java, log)
	if err != nil {
		return nil, err
	}
	if s.address, err = subprocess.FreeAddress(); err != nil {
		return nil, err
	}
	s.Server, err = subprocess.StartServer(ctx, subprocess.Options{
		Name: "smpp", Prepare: func(context.Context, string) error { return nil }, Command: s.command, Ready: s.ready,
		// It has no orderly end, and keeps nothing that one would save.
		Interrupt: syscall.SIGKILL, Abort: syscall.SIGKILL,
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Server) command(ctx context.Context, _ string) *exec.Cmd {
	_, port, _ := strings.Cut(s.address, ":")
	return s.java.Command(ctx, "java", "-Xmx64m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
		"-Dorg.slf4j.simpleLogger.log.org.jsmpp=info", "-Djsmpp.simulator.port="+port, "-Djsmpp.simulator.ssl=false",
		"-Djsmpp.client.systemId="+SystemID, "-Djsmpp.client.password="+s.password,
		"-cp", filepath.Join(s.jars, "libs", "*"), "org.jsmpp.examples.SMPPServerSimulator")
}

// Addr is where clients reach the server.
func (s *Server) Addr() string { return s.address }

// Password is the password for SystemID.
func (s *Server) Password() string { return s.password }

// ready goes through a whole session, because one that breaks off ends the server.
func (s *Server) ready(ctx context.Context) error {
	const timeout = 5 * time.Second
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.address)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	// Section 4.1.5: system_id, password, system_type, version 3.4, TON, NPI, address_range.
	body := fmt.Appendf(nil, "%s\x00%s\x00\x00\x34\x00\x00\x00", SystemID, s.password)
	if _, err := exchange(conn, pdu(BindTransceiver, 1, body), BindTransceiver|response); err != nil {
		return err
	}
	greeting, err := exchange(conn, nil, DeliverSM)
	if err != nil {
		return err
	}
	_, err = exchange(conn, append(answerTo(greeting), pdu(Unbind, 2, nil)...), Unbind|response)
	return err
}

// exchange sends a request and returns the server's next message, which must be the
// wanted command.
func exchange(conn net.Conn, request []byte, wanted uint32) ([]byte, error) {
	if _, err := conn.Write(request); err != nil {
		return nil, err
	}
	answer, err := readPDU(conn)
	if err != nil {
		return nil, err
	}
	if status := statusOf(answer); commandOf(answer) != wanted || status != 0 {
		return nil, fmt.Errorf("the server sends %#x with status %#x, want %#x", commandOf(answer), status, wanted)
	}
	return answer, nil
}

func answerTo(deliver []byte) []byte {
	return pdu(DeliverSM|response, binary.BigEndian.Uint32(deliver[12:]), []byte{0})
}
