package main

// ReportsConfig is how reports are written for people's programs.
type ReportsConfig struct {
	CSV csvForm `yaml:"csv"`
}

func (r *ReportsConfig) validate(found *findings) {
	if err := r.CSV.validate(); err != nil {
		found.add("reports.csv", "%s", err)
	}
}
