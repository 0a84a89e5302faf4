package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"referral/internal/demo/postgres"
	"referral/test/collector"
	"referral/test/pki"
)

// unprivileged is the user of a PostgreSQL that root has started.
const unprivileged = 65534

// secureDatabase is a PostgreSQL that is reached by TLS only.
type secureDatabase struct {
	t         *testing.T
	admin     *pgx.Conn
	folder    string // of its data
	authority *pki.Authority
	url       url.URL // of localhost, as the superuser, without a database
}

func startSecureDatabase(t *testing.T, authority *pki.Authority, authorityFile string) *secureDatabase {
	t.Helper()
	server, err := postgres.Start(t.Context(), postgres.Options{Settings: map[string]string{"fsync": "off"}, Log: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	closing(t, server.Stop)
	at, err := url.Parse(server.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	d := &secureDatabase{t: t, authority: authority}
	if d.admin, err = pgx.Connect(t.Context(), at.String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.admin.Close(context.Background()) })
	if err := d.admin.QueryRow(t.Context(), "SHOW data_directory").Scan(&d.folder); err != nil {
		t.Fatal(err)
	}
	d.write("pg_hba.conf", []byte("hostssl all all all scram-sha-256\n"))
	d.execute("ALTER SYSTEM SET ssl = on")
	d.certify(time.Now().Add(time.Hour))
	d.url = *at
	d.url.Host = net.JoinHostPort("localhost", at.Port())
	d.url.RawQuery = url.Values{"sslmode": {"verify-full"}, "sslrootcert": {authorityFile}}.Encode()
	return d
}

func (d *secureDatabase) execute(statement string) {
	d.t.Helper()
	if _, err := d.admin.Exec(d.t.Context(), statement); err != nil {
		d.t.Fatalf("%s: %v", statement, err)
	}
}

// write writes a file that the server reads.
func (d *secureDatabase) write(name string, content []byte) {
	d.t.Helper()
	file := filepath.Join(d.folder, name)
	err := pki.Replace(file, content)
	if err == nil && os.Geteuid() == 0 {
		err = os.Chown(file, unprivileged, unprivileged)
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

// certify gives the server another certificate, for localhost.
func (d *secureDatabase) certify(expires time.Time) {
	d.t.Helper()
	certificate, key, err := d.authority.Issue(expires, "localhost")
	if err != nil {
		d.t.Fatal(err)
	}
	d.write("server.crt", certificate)
	d.write("server.key", key)
	d.execute("SELECT pg_reload_conf()")
}

// dsn is a database of the server, with changes of the URL and its parameters.
func (d *secureDatabase) dsn(database string, change func(*url.URL, url.Values)) string {
	at := d.url
	query := at.Query()
	at.Path = "/" + database
	if change != nil {
		change(&at, query)
	}
	at.RawQuery = query.Encode()
	return at.String()
}

// secureWorld is a world whose program is reached, and reaches its servers, by TLS.
type secureWorld struct {
	*world
	database  *secureDatabase
	authority *pki.Authority
	folder    string
}

func (s *secureWorld) path(name string) string { return filepath.Join(s.folder, name) }

func (s *secureWorld) replace(name string, content []byte) string {
	s.t.Helper()
	if err := pki.Replace(s.path(name), content); err != nil {
		s.t.Fatal(err)
	}
	return s.path(name)
}

func newSecureWorld(t *testing.T) *secureWorld {
	t.Helper()
	s := &secureWorld{folder: t.TempDir(), world: &world{t: t}}
	var err error
	if s.authority, err = pki.New(); err != nil {
		t.Fatal(err)
	}
	s.database = startSecureDatabase(t, s.authority, s.replace("authority.pem", s.authority.PEM()))
	s.world = newWorldOn(t, servers{s.database.dsn("postgres", nil), environment.broker},
		"REFERRAL_KAFKA_BROKERS="+setting(t, "REFERRAL_TEST_KAFKA_TLS"), "REFERRAL_KAFKA_TLS_ENABLED=true",
		"REFERRAL_KAFKA_TLS_CA_FILE="+s.replace("kafka.pem", []byte(setting(t, "REFERRAL_TEST_KAFKA_AUTHORITY"))),
		"REFERRAL_KAFKA_SASL_MECHANISM=scram-sha-512", "REFERRAL_KAFKA_SASL_USERNAME="+setting(t, "REFERRAL_TEST_KAFKA_USER"),
		"REFERRAL_KAFKA_SASL_PASSWORD_FILE="+s.replace("kafka.password", []byte(setting(t, "REFERRAL_TEST_KAFKA_PASSWORD")+"\n")))
	return s
}

// The program works with TLS everywhere, takes new certificates and passwords while it
// runs, and refuses servers that are not who they should be.
func TestTLS(t *testing.T) {
	t.Parallel()
	s := newSecureWorld(t)
	s.must("migrate")
	s.renewsSecrets(t)
	s.refusesServers(t)
}

// refusesServers: servers that are not who they should be, or that refuse the program,
// are named with what to do.
func (s *secureWorld) refusesServers(t *testing.T) {
	t.Helper()
	stranger, err := pki.New()
	if err != nil {
		t.Fatal(err)
	}
	strangers := s.replace("stranger.pem", stranger.PEM())
	expired := serveExpired(t, s.authority)
	dsn := func(change func(*url.URL, url.Values)) string {
		return "REFERRAL_DATABASE_DSN=" + s.database.dsn(s.name, change)
	}
	var group sync.WaitGroup
	refuses := func(name, says string, overrides ...string) {
		group.Go(func() {
			cmd := s.command(t.Context(), "migrate")
			cmd.Env = append(slices.Clone(cmd.Env), overrides...)
			said, err := cmd.CombinedOutput()
			if status := cmd.ProcessState.ExitCode(); status != 2 || !strings.Contains(string(said), says) {
				t.Errorf("%s: status %d, %v, want 2 and %q: %s", name, status, err, says, said)
			}
		})
	}
	for name, c := range map[string]struct {
		says      string
		overrides []string
	}{
		"PostgreSQL: wrong authority": {"name the file with the authority of the server's certificate as sslrootcert of database.dsn",
			[]string{dsn(func(_ *url.URL, q url.Values) { q.Set("sslrootcert", strangers) })}},
		"PostgreSQL: wrong name": {"the server's certificate is for another name than the host of database.dsn",
			[]string{dsn(func(u *url.URL, _ url.Values) { u.Host = net.JoinHostPort("127.0.0.1", u.Port()) })}},
		"PostgreSQL: wrong password": {"the user or the password of database.dsn is not what the server knows",
			[]string{dsn(func(u *url.URL, _ url.Values) { u.User = url.UserPassword("postgres", "wrong") })}},
		"PostgreSQL: plain text": {"the server wants TLS: write sslmode=verify-full into database.dsn",
			[]string{dsn(func(_ *url.URL, q url.Values) { q.Set("sslmode", "disable") })}},
		"PostgreSQL: no TLS": {"the server has no TLS: switch it on there",
			[]string{"REFERRAL_DATABASE_DSN=" + strings.Replace(environment.dsn, "sslmode=disable", "sslmode=require", 1)}},
		"Kafka: wrong authority": {"name the file with the authority of the server's certificate as kafka.tls.ca_file",
			[]string{"REFERRAL_KAFKA_TLS_CA_FILE=" + strangers}},
		"Kafka: wrong name":     {"the server's certificate is for another name than the kafka.tls.server_name", []string{"REFERRAL_KAFKA_TLS_SERVER_NAME=kafka.example"}},
		"Kafka: wrong password": {"the user or the password of kafka.sasl is not what the broker knows", []string{"REFERRAL_KAFKA_SASL_PASSWORD_FILE=" + s.replace("wrong", []byte("wrong"))}},
		"Kafka: plain text":     {"the broker ended the connection: this port may want TLS (kafka.tls)", []string{"REFERRAL_KAFKA_TLS={enabled: false, ca_file: ''}", "REFERRAL_KAFKA_TLS_ENABLED=false", "REFERRAL_KAFKA_TLS_CA_FILE="}},
		"Kafka: no TLS":         {"or have no TLS", []string{"REFERRAL_KAFKA_BROKERS=" + environment.broker}},
		"Kafka: expired":        {"renew the server's certificate", []string{"REFERRAL_KAFKA_BROKERS=" + expired, "REFERRAL_KAFKA_TLS_CA_FILE=" + s.path("authority.pem")}},
	} {
		refuses(name, c.says, c.overrides...)
	}
	group.Wait()
	s.database.certify(time.Now().Add(-time.Hour))
	refuses("PostgreSQL: expired", "renew the server's certificate, or correct the clock of this machine")
	group.Wait()
	s.database.certify(time.Now().Add(time.Hour))
}

// serveExpired is the address of a server whose certificate has expired.
func serveExpired(t *testing.T, authority *pki.Authority) string {
	t.Helper()
	certificate, key, err := authority.Issue(time.Now().Add(-time.Hour), "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	closing(t, listener.Close)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = conn.(*tls.Conn).HandshakeContext(t.Context()) // which the program ends
			_ = conn.Close()
		}
	}()
	return listener.Addr().String()
}

// renewsSecrets: a program that runs takes new certificates and passwords. While a file
// cannot be used, what it held before stays.
func (s *secureWorld) renewsSecrets(t *testing.T) {
	t.Helper()
	serial := s.certify()
	service := func(password string) []byte {
		return []byte(s.database.dsn(s.name, func(u *url.URL, _ url.Values) { u.User = url.UserPassword(serviceRole, password) }) + "\n")
	}
	address := freeAddress(s.world)
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	outside := s.startOutside()
	serving := s.launch(append(outside.settings(s), []string{
		"REFERRAL_DATABASE_DSN=", "REFERRAL_DATABASE_DSN_FILE=" + s.replace("dsn", service(serviceRole)),
		"REFERRAL_KAFKA_SASL_PASSWORD_FILE=" + s.replace("password", []byte("not yet")),
		"REFERRAL_HTTP_CABINET=" + address, "REFERRAL_CABINET_PUBLIC_URL=https://localhost:" + port,
		"REFERRAL_HTTP_CABINET_TLS_CERT_FILE=" + s.path("cabinet.crt"), "REFERRAL_HTTP_CABINET_TLS_KEY_FILE=" + s.path("cabinet.key"),
	}...))
	serving.shows("/readyz", "broker: .*the user or the password of kafka.sasl is not what the broker knows")
	s.replace("password", []byte(setting(t, "REFERRAL_TEST_KAFKA_PASSWORD")))
	serving.ready()
	s.send(registration(885, "2026-01-10T09:00:00Z"), invoice(885, 1000))
	s.drained()

	outside.refused(s, serving)
	outside.accepted(s, serving)
	s.presents(address, serial)
	serial = s.certify()
	s.presents(address, serial)
	s.replace("cabinet.crt", []byte("not a certificate"))
	s.presents(address, serial)
	counts := s.fetch("http://" + serving.admin + "/metrics")
	for _, line := range []string{
		`referral_files_renewals_total{result="renewed",setting="http.cabinet_tls.cert_file"} 1`, `referral_files_renewals_total{result="failed",setting="http.cabinet_tls.cert_file"} 1`,
		`referral_certificate_expiry_timestamp_seconds{setting="database.dsn.sslrootcert"} `, `referral_certificate_expiry_timestamp_seconds{setting="kafka.tls.ca_file"} `,
	} {
		if !strings.Contains(counts, line) {
			t.Errorf("the metrics do not show %s", line)
		}
	}

	const password = "another one"
	s.database.execute(fmt.Sprintf("ALTER ROLE %s PASSWORD '%s'", serviceRole, password))
	s.replace("dsn", service(password))
	s.database.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '" + serviceRole + "'")
	s.send(registration(886, "2026-01-10T09:00:00Z"), invoice(886, 1000))
	s.drained()
	serving.ready()
	s.must("run", "2026-03")
	s.published()
	if status := serving.stop(); status != 0 {
		t.Errorf("stopped with status %d", status)
	}
	s.database.execute(fmt.Sprintf("ALTER ROLE %s PASSWORD '%[1]s'", serviceRole))
}

// outside is an OpenID provider and a collector of traces, with a certificate of the
// world's authority.
type outside struct {
	collector.Collector
	address string
}

func (s *secureWorld) startOutside() *outside {
	s.t.Helper()
	certificate, key, err := s.authority.Issue(time.Now().Add(time.Hour), "127.0.0.1")
	if err != nil {
		s.t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		s.t.Fatal(err)
	}
	o := &outside{}
	mux := http.NewServeMux()
	mux.Handle("/v1/traces", o)
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"issuer": %q, "authorization_endpoint": "%[1]s/in", "token_endpoint": "%[1]s/token", "jwks_uri": "%[1]s/keys"}`, o.address)
	})
	server := httptest.NewUnstartedServer(mux)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that the program ends
	server.StartTLS()
	s.t.Cleanup(server.Close)
	o.address = server.URL
	return o
}

// settings name another authority than the one that has signed its certificate.
func (o *outside) settings(s *secureWorld) []string {
	s.t.Helper()
	stranger, err := pki.New()
	if err != nil {
		s.t.Fatal(err)
	}
	all := []string{
		"REFERRAL_HTTP_FINANCE=127.0.0.1:0", "REFERRAL_TRACING_ENDPOINT=" + o.address, "REFERRAL_TRACING_SAMPLING=1",
		"REFERRAL_TRACING_CA_FILE=" + s.replace("outside.pem", stranger.PEM()), "REFERRAL_TRACING_HEADERS_FILE=" + s.replace("headers", []byte("Authorization: Bearer one")),
	}
	for _, site := range []string{"CABINET", "FINANCE"} {
		at := "REFERRAL_" + site + "_SIGN_IN_"
		all = append(all, at+"ISSUER="+o.address, at+"CLIENT_ID=referral", at+"CLIENT_SECRET=secret of "+site, at+"CA_FILE="+s.path("outside.pem"))
	}
	return all
}

// refused: it is not spoken to while another authority is named.
func (o *outside) refused(s *secureWorld, serving *server) {
	s.t.Helper()
	s.until("the stranger's certificate to be refused", func() (bool, string) {
		said := regexp.MustCompile(`(?m)(reading the configuration of|exporting traces).* unknown authority`).FindAllStringSubmatch(serving.log.all(), -1)
		of := map[string]bool{}
		for _, line := range said {
			of[line[1]] = true
		}
		text := serving.page("/metrics")
		down := strings.Contains(text, `referral_auth_provider_up{site="portal"} 0`) && strings.Contains(text, `referral_auth_provider_up{site="finance"} 0`)
		return down && len(of) == 2, fmt.Sprint(down, of)
	})
	if got := o.Headers(); len(got) > 0 {
		s.t.Errorf("it was sent %d requests", len(got))
	}
}

// accepted: it is spoken to once the right authority is named, with the headers of the
// time.
func (o *outside) accepted(s *secureWorld, serving *server) {
	s.t.Helper()
	s.replace("outside.pem", s.authority.PEM())
	s.replace("headers", []byte("Authorization: Bearer two"))
	s.send(registration(887, "2026-01-10T09:00:00Z"))
	s.until("the provider and the collector to be used", func() (bool, string) {
		text, sent := serving.page("/metrics"), o.Headers()
		up := strings.Contains(text, `referral_auth_provider_up{site="portal"} 1`) && strings.Contains(text, `referral_auth_provider_up{site="finance"} 1`)
		return up && len(sent) > 0 && sent[0].Get("Authorization") == "Bearer two", fmt.Sprint(up, sent)
	})
}

// certify gives the personal account another certificate, and tells its serial number.
func (s *secureWorld) certify() string {
	s.t.Helper()
	certificate, key, err := s.authority.Issue(time.Now().Add(time.Hour), "localhost")
	if err != nil {
		s.t.Fatal(err)
	}
	s.replace("cabinet.key", key)
	s.replace("cabinet.crt", certificate)
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		s.t.Fatal(err)
	}
	return pair.Leaf.SerialNumber.String()
}

// presents expects the certificate of a serial number at an address.
func (s *secureWorld) presents(address, serial string) {
	s.t.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(s.authority.PEM())
	conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: pool, ServerName: "localhost", MinVersion: tls.VersionTLS12})
	if err != nil {
		s.t.Fatal(err)
	}
	closing(s.t, conn.Close)
	if got := conn.ConnectionState().PeerCertificates[0].SerialNumber.String(); got != serial {
		s.t.Errorf("the certificate has serial number %s, want %s", got, serial)
	}
}
