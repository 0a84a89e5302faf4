package web

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"referral/test/pki"
)

// The first expiry in a file counts, and a file that cannot be read is one that has
// expired.
func TestCertificatesSayWhenTheyExpire(t *testing.T) {
	t.Parallel()
	authority, err := pki.New()
	if err != nil {
		t.Fatal(err)
	}
	var bundle bytes.Buffer
	for _, year := range []int{2031, 2030, 2032} {
		certificate, key, err := authority.Issue(time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC))
		if err != nil {
			t.Fatal(err)
		}
		bundle.Write(key)
		bundle.Write(certificate)
	}
	folder := t.TempDir()
	write := func(name string, content []byte) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	files := map[string]string{
		"good": write("good.pem", bundle.Bytes()), "empty": write("empty.pem", nil), "missing": filepath.Join(folder, "none.pem"),
		"broken": write("broken.pem", []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")),
	}
	var log strings.Builder
	const want = `# HELP referral_certificate_expiry_timestamp_seconds When the first certificate in the file of a setting expires, read at the scrape; 0 when the file cannot be read.
# TYPE referral_certificate_expiry_timestamp_seconds gauge
referral_certificate_expiry_timestamp_seconds{setting="broken"} 0
referral_certificate_expiry_timestamp_seconds{setting="empty"} 0
referral_certificate_expiry_timestamp_seconds{setting="good"} 1.8934560e+09
referral_certificate_expiry_timestamp_seconds{setting="missing"} 0
`
	if err := testutil.CollectAndCompare(certificates{files, slog.New(slog.NewTextHandler(&log, nil))}, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	for _, says := range []string{"none.pem", "holds no certificate", "broken.pem"} {
		if !strings.Contains(log.String(), says) {
			t.Errorf("the log does not say %q: %s", says, log.String())
		}
	}
}
