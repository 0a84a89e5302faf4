package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The configuration is checked with the files that it names, before anything is
// connected to, and is printed without secrets.
func TestCheckConfig(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	config := write("config.yaml", `
kafka:
  sasl: {mechanism: scram-sha-512, username: referral, password_file: `+write("kafka", "broker-secret\n")+`}
cabinet:
  public_url: https://lk.example.ru
  sign_in: {issuer: https://id.example.ru, client_id: referral, client_secret_file: `+write("portal", "portal-secret")+`}
finance:
  public_url: https://referral.example.ru
  sign_in: {issuer: https://id.example.ru, client_id: referral-staff, client_secret_file: `+filepath.Join(dir, "finance")+`}
`)
	var environ []string
	check := func(args ...string) (int, string, string) {
		var out, complaints bytes.Buffer
		status := run(t.Context(), append([]string{"check-config", "--config", config}, args...), process{
			in: bytes.NewReader(nil), out: &out, err: &complaints,
			environ: append([]string{"REFERRAL_DATABASE_DSN=postgres://referral:db-secret@192.0.2.1/referral"}, environ...),
		})
		return status, out.String(), complaints.String()
	}

	if status, _, complaint := check(); status != exitError || !strings.Contains(complaint, "finance.sign_in.client_secret_file") {
		t.Errorf("without the secret of the staff pages: status %d, %q", status, complaint)
	}
	if status, _, complaint := check("--only", "consumer,publisher"); status != exitOK {
		t.Errorf("a machine that serves no pages needs no secret of theirs: status %d, %q", status, complaint)
	}
	write("finance", "staff-secret")
	status, out, complaint := check()
	if status != exitOK || complaint != "" || !strings.Contains(out, "client_id: referral-staff") || !strings.Contains(out, "192.0.2.1") {
		t.Errorf("status %d, %q\n%s", status, complaint, out)
	}
	if strings.Contains(out+complaint, "-secret\n") || strings.Contains(out, "db-secret") || strings.Contains(out, "staff-secret") {
		t.Errorf("a secret is shown:\n%s", out)
	}
	environ = []string{"REFERRAL_HTTP_ADMIN_TLS_CERT_FILE=" + filepath.Join(dir, "absent"), "REFERRAL_HTTP_ADMIN_TLS_KEY_FILE=" + filepath.Join(dir, "absent")}
	if status, _, complaint := check(); status != exitError || !strings.Contains(complaint, "http.admin_tls.cert_file") {
		t.Errorf("with a certificate that is not there: status %d, %q", status, complaint)
	}
	environ = nil
	if status, _, complaint := check("--only", "kitchen"); status != exitError || !strings.Contains(complaint, "kitchen") {
		t.Errorf("a component that is none: status %d, %q", status, complaint)
	}
}
