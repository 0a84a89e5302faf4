package smtp

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"referral/test/pki"
)

const (
	user     = "referral"
	password = "hunter2"
)

// server is a mail server. The local part of a recipient says how it answers: ok, or one of
// the names in its methods.
type server struct {
	*smtp.Server
	t       *testing.T
	port    int
	roots   *x509.CertPool
	logins  []string // mechanisms offered
	release chan struct{}

	mu    sync.Mutex
	mails []received
}

type received struct {
	from, to string
	body     []byte
	encrypted,
	loggedIn bool
}

// newServer starts a server with a certificate for localhost, changed by change.
func newServer(t *testing.T, change ...func(*server)) *server {
	t.Helper()
	s := &server{t: t, logins: []string{sasl.Plain}, release: make(chan struct{})}
	s.Server = smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &session{server: s, conn: c}, nil
	}))
	s.Domain, s.ErrorLog = "localhost", log.New(io.Discard, "", 0)
	s.TLSConfig, s.roots = certificate(t)
	for _, c := range change {
		c(s)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.port = listener.Addr().(*net.TCPAddr).Port
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.Serve(listener) // ends with Close
	}()
	t.Cleanup(func() {
		close(s.release)
		_ = s.Close()
		_ = listener.Close() // Close does not know of it before Serve has begun
		<-ended
	})
	return s
}

// certificate returns a certificate for localhost, and the pool that trusts it.
func certificate(t *testing.T) (*tls.Config, *x509.CertPool) {
	t.Helper()
	authority, err := pki.New()
	if err != nil {
		t.Fatal(err)
	}
	certificate, key, err := authority.Issue(time.Now().Add(time.Hour), "localhost")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority.PEM())
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, roots
}

// options returns the options for the server.
func (s *server) options() Options {
	return Options{
		Host: "localhost", Port: s.port, Username: user, Password: password, From: "referral@example.ru", FromName: "t2 АТС",
		TLS: &tls.Config{RootCAs: s.roots}, Timeout: 5 * time.Second, Now: func() time.Time { return time.Unix(1777626000, 0) },
	}
}

func (s *server) got() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mails
}

type session struct {
	*server
	conn     *smtp.Conn
	mail     received
	loggedIn bool
}

func (s *session) AuthMechanisms() []string { return s.logins }

func (s *session) Auth(mechanism string) (sasl.Server, error) {
	check := func(u, p string) error {
		if u != user || p != password {
			return errors.New("no such user")
		}
		s.loggedIn = true
		return nil
	}
	if mechanism == sasl.Login {
		return &loginServer{check: check}, nil
	}
	return sasl.NewPlainServer(func(_, u, p string) error { return check(u, p) }), nil
}

func (s *session) Reset() { s.mail = received{} }

func (s *session) Logout() error { return nil }

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if from == "barred@example.ru" {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "not you"}
	}
	_, encrypted := s.conn.TLSConnectionState()
	s.mail = received{from: from, encrypted: encrypted, loggedIn: s.loggedIn}
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.mail.to = to
	switch s.what() {
	case "unknown":
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "<" + to + ">: no such user"}
	case "greylisted":
		return &smtp.SMTPError{Code: 450, EnhancedCode: smtp.EnhancedCode{4, 2, 0}, Message: "<" + to + ">: greylisted"}
	case "goodbye":
		return &smtp.SMTPError{Code: 421, EnhancedCode: smtp.EnhancedCode{4, 3, 2}, Message: "shutting down"}
	case "cut":
		_ = s.conn.Conn().Close()
	case "slow":
		<-s.release
	}
	return nil
}

func (s *session) Data(r io.Reader) error {
	body, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	switch s.what() {
	case "spam":
		return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "spam for " + s.mail.to}
	case "full":
		return &smtp.SMTPError{Code: 452, EnhancedCode: smtp.EnhancedCode{4, 2, 2}, Message: "mailbox of " + s.mail.to + " is full"}
	}
	s.mail.body = bytes.Clone(body)
	s.mu.Lock()
	s.mails = append(s.mails, s.mail)
	s.mu.Unlock()
	switch s.what() {
	case "silent":
		<-s.release
	case "gone":
		_ = s.conn.Conn().Close()
	}
	return nil
}

func (s *session) what() string {
	local, _, _ := strings.Cut(s.mail.to, "@")
	return local
}

// loginServer is the LOGIN mechanism, which go-sasl offers to clients only.
type loginServer struct {
	user  string
	step  int
	check func(user, password string) error
}

func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	l.step++
	switch l.step {
	case 1:
		return []byte("Username:"), false, nil
	case 2:
		l.user = string(response)
		return []byte("Password:"), false, nil
	}
	return nil, true, l.check(l.user, string(response))
}

func tlsListener(l net.Listener, s *server) net.Listener { return tls.NewListener(l, s.TLSConfig) }
