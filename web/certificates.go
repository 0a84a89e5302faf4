package web

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// certificates shows when the certificates in files expire. The files are read at each
// scrape, so that a renewed one counts at once.
type certificates struct {
	files map[string]string // by the setting that names the file
	log   *slog.Logger
}

var certificateDesc = prometheus.NewDesc("referral_certificate_expiry_timestamp_seconds",
	"When the first certificate in the file of a setting expires, read at the scrape; 0 when the file cannot be read.", []string{"setting"}, nil)

// Describe implements prometheus.Collector.
func (c certificates) Describe(to chan<- *prometheus.Desc) { to <- certificateDesc }

// Collect implements prometheus.Collector.
func (c certificates) Collect(to chan<- prometheus.Metric) {
	for setting, file := range c.files {
		var at float64
		expiry, err := firstExpiry(file)
		if err != nil {
			c.log.Error("the expiry of certificates is not known", "setting", setting, "file", file, "error", err)
		} else {
			at = float64(expiry.Unix())
		}
		to <- prometheus.MustNewConstMetric(certificateDesc, prometheus.GaugeValue, at, setting)
	}
}

var errNoCertificate = errors.New("the file holds no certificate in PEM")

// firstExpiry is when the first of the certificates in a PEM file expires.
func firstExpiry(file string) (first time.Time, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return time.Time{}, err
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return time.Time{}, err
		}
		if first.IsZero() || certificate.NotAfter.Before(first) {
			first = certificate.NotAfter
		}
	}
	if first.IsZero() {
		return time.Time{}, errNoCertificate
	}
	return first, nil
}
