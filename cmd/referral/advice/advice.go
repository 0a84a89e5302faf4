// Package advice says what to do about connections to servers that fail because of TLS
// or of the login.
package advice

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/segmentio/kafka-go"
)

// OfDatabase is an error with what to do about it, when it is one of connecting to
// PostgreSQL that a person must act on; otherwise the error itself.
func OfDatabase(err error) error {
	var connect *pgconn.ConnectError
	if !errors.As(err, &connect) {
		return err
	}
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &pg) && pg.Code == "28P01":
		return with(err, "the user or the password of database.dsn is not what the server knows")
	case errors.As(err, &pg) && pg.Code == "28000" && strings.Contains(pg.Message, "no encryption"):
		return with(err, "the server wants TLS: write sslmode=verify-full into database.dsn")
	case errors.Is(err, pgconn.ErrReadOnlyConnection):
		return with(err, "no server of database.dsn takes writes: start the primary, or promote a standby")
	case strings.Contains(err.Error(), "server refused TLS connection") && !plainAllowed(connect.Config):
		return with(err, "the server has no TLS: switch it on there (ssl = on)")
	}
	return ofTLS(err, "sslrootcert of database.dsn", "host of database.dsn")
}

// plainAllowed says whether a connection without TLS is tried too (sslmode=prefer): then
// a server without TLS is not what failed.
func plainAllowed(c *pgconn.Config) bool {
	return slices.ContainsFunc(c.Fallbacks, func(f *pgconn.FallbackConfig) bool { return f.TLSConfig == nil })
}

// OfKafka is [OfDatabase] for brokers.
func OfKafka(err error) error {
	switch {
	case errors.Is(err, kafka.SASLAuthenticationFailed):
		return with(err, "the user or the password of kafka.sasl is not what the broker knows")
	case errors.Is(err, kafka.UnsupportedSASLMechanism):
		return with(err, "the broker has no such kafka.sasl.mechanism")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return with(err, "the broker ended the connection: this port may want TLS (kafka.tls) or a login (kafka.sasl), or have no TLS")
	}
	return ofTLS(err, "kafka.tls.ca_file", "kafka.tls.server_name")
}

// ofTLS advises on a handshake that failed. authorities and name are the settings that
// the other side is checked against.
func ofTLS(err error, authorities, name string) error {
	var unknown x509.UnknownAuthorityError
	var other x509.HostnameError
	var invalid x509.CertificateInvalidError
	var plain tls.RecordHeaderError
	switch {
	case errors.As(err, &unknown):
		return with(err, "name the file with the authority of the server's certificate as "+authorities)
	case errors.As(err, &other):
		return with(err, "the server's certificate is for another name than the "+name)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return with(err, "renew the server's certificate, or correct the clock of this machine")
	case errors.As(err, &plain):
		return with(err, "the server does not speak TLS on this port: name its TLS port")
	}
	return err
}

func with(err error, advice string) error { return fmt.Errorf("%w; %s", err, advice) }
