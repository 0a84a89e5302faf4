package config

import "fmt"

// Reports is how reports are written for other programs.
type Reports struct {
	CSV CSVForm `yaml:"csv"`
}

// CSVForm is a way of writing CSV.
type CSVForm string

// The ways of writing CSV.
const (
	CSVPlain CSVForm = "plain" // RFC 4180, amounts in minor units: for programs
	CSVExcel CSVForm = "excel" // as a Russian Excel opens it by a double click
)

// Validate refuses a way that does not exist.
func (f CSVForm) Validate() error {
	if f != CSVPlain && f != CSVExcel {
		return fmt.Errorf("%q must be plain or excel", string(f))
	}
	return nil
}

func (r *Reports) validate(found *findings) {
	if err := r.CSV.Validate(); err != nil {
		found.add("reports.csv", "%s", err)
	}
}
