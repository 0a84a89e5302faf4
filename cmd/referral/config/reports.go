package config

import "referral/cmd/referral/report"

// Reports is how reports are written for other programs.
type Reports struct {
	CSV report.CSVForm `yaml:"csv"`
}

func (r *Reports) validate(found *findings) {
	if err := r.CSV.Validate(); err != nil {
		found.add("reports.csv", "%s", err)
	}
}
