package config

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"maps"
	"os"

	"go.yaml.in/yaml/v3"
)

// TLS is how a connection is secured. In YAML it may be a
// plain true or false, which is Enabled alone.
type TLS struct {
	Enabled            bool   `yaml:"enabled"`
	CAFile             string `yaml:"ca_file"`   // PEM; empty for the system's authorities
	CertFile           string `yaml:"cert_file"` // PEM, with KeyFile: our own certificate
	KeyFile            string `yaml:"key_file"`
	ServerName         string `yaml:"server_name"` // expected in the other side's certificate; empty for its host
	InsecureSkipVerify bool   `yaml:"insecure_skip_verify"`
}

// UnmarshalYAML reads the section, or true or false.
func (t *TLS) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		return node.Decode(&t.Enabled)
	}
	type section TLS
	return node.Decode((*section)(t))
}

// ServerTLS is the certificate of an address that is listened on; without one it
// speaks plain HTTP.
type ServerTLS struct {
	CertFile string `yaml:"cert_file"` // PEM: the certificate, then those between it and the authority
	KeyFile  string `yaml:"key_file"`
}

func (t *ServerTLS) validate(found *findings, path string) {
	found.pair(path, t.CertFile, t.KeyFile)
}

// Certificate reads the files of the section at a path; an [*Error].
func (t *ServerTLS) Certificate(path string) (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
	return &pair, newError(path+".cert_file", err)
}

// Files are the files that the section names.
func (t *TLS) Files() []string { return []string{t.CAFile, t.CertFile, t.KeyFile} }

// Certificates are the files of certificates that the settings name, by setting.
func (c *Config) Certificates() map[string]string {
	smtp, smpp := &c.Invitations.Email.SMTP, &c.Invitations.SMS.SMPP.TLS
	root, own, _ := c.Database.Certificates()
	files := map[string]string{
		"database.dsn.sslrootcert": root, "database.dsn.sslcert": own,
		"http.cabinet_tls.cert_file": c.HTTP.CabinetTLS.CertFile, "http.finance_tls.cert_file": c.HTTP.FinanceTLS.CertFile, "http.admin_tls.cert_file": c.HTTP.AdminTLS.CertFile,
		"kafka.tls.ca_file": c.Kafka.TLS.CAFile, "kafka.tls.cert_file": c.Kafka.TLS.CertFile, "invitations.email.smtp.ca_file": smtp.CAFile,
		"invitations.sms.smpp.tls.ca_file": smpp.CAFile, "invitations.sms.smpp.tls.cert_file": smpp.CertFile,
		"cabinet.sign_in.ca_file": c.Cabinet.SignIn.CAFile, "finance.sign_in.ca_file": c.Finance.SignIn.CAFile,
		"tracing.ca_file": c.Tracing.CAFile, "tracing.cert_file": c.Tracing.CertFile,
	}
	maps.DeleteFunc(files, func(_, file string) bool { return file == "" })
	return files
}

// validate checks the section at a path.
func (t *TLS) validate(found *findings, path string) {
	if !t.Enabled && *t != (TLS{}) {
		found.add(path+".enabled", "other settings of %s are given but TLS is off: set it to true, or drop them", path)
	}
	found.pair(path, t.CertFile, t.KeyFile)
}

// Client is the settings at a path as the standard library wants them, with the
// files read; nil when TLS is off. Errors are [*Error].
func (t *TLS) Client(path string) (*tls.Config, error) {
	if !t.Enabled {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName, InsecureSkipVerify: t.InsecureSkipVerify}
	if t.CAFile != "" {
		pool, err := readAuthorities(t.CAFile)
		if err != nil {
			return nil, newError(path+".ca_file", err)
		}
		c.RootCAs = pool
	}
	if t.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, newError(path+".cert_file", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

func readAuthorities(path string) (*x509.CertPool, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate in PEM", path)
	}
	return pool, nil
}
