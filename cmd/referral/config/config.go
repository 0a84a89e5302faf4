// Package config is the settings of the program: defaults, the file, the
// environment, and what is wrong with them.
package config

import (
	"fmt"
	"time"

	"go.yaml.in/yaml/v3"

	"referral/cmd/referral/report"
	"referral/web/auth"
)

// Config is every setting of the program. config.yaml is its manual, and holds
// the same defaults as [Default]. Printing a Config in any way hides its
// secrets.
type Config struct {
	Kafka       Kafka       `yaml:"kafka"`
	Database    Database    `yaml:"database"`
	HTTP        HTTP        `yaml:"http"`
	Cabinet     Cabinet     `yaml:"cabinet"`
	Finance     Finance     `yaml:"finance"`
	Invitations Invitations `yaml:"invitations"`
	Programme   Programme   `yaml:"programme"`
	Schedule    Schedule    `yaml:"schedule"`
	Settle      Settle      `yaml:"settle"`
	Publisher   Publisher   `yaml:"publisher"`
	Retention   Retention   `yaml:"retention"`
	Reports     Reports     `yaml:"reports"`
	Log         Log         `yaml:"log"`
	Tracing     Tracing     `yaml:"tracing"`
}

// Settle is how a monthly run is divided.
type Settle struct {
	Workers       int `yaml:"workers"`
	ChunkAccounts int `yaml:"chunk_accounts"`
}

// Publisher is how the ledger is published.
type Publisher struct {
	Poll   time.Duration `yaml:"poll"`
	Shadow bool          `yaml:"shadow"` // settle beside an older system, and publish no document
}

// Default is what holds where neither the file nor the environment says
// otherwise. It names no database: see [Config.RequireDatabase].
func Default() *Config {
	return &Config{
		Kafka:       defaultKafka(),
		Database:    Database{Schema: "public", MaxConnections: 10, StatementTimeout: time.Minute},
		HTTP:        HTTP{Cabinet: "127.0.0.1:8080", Finance: "127.0.0.1:8081", Admin: "127.0.0.1:9090"},
		Cabinet:     defaultCabinet(),
		Finance:     defaultFinance(),
		Invitations: defaultInvitations(),
		Programme:   defaultProgramme(),
		Schedule:    Schedule{Run: "0 3 1 * *", CatchUp: "30 3 * * *", AnswerGrace: 12 * time.Hour, Timezone: "Europe/Moscow"},
		Settle:      Settle{Workers: 2, ChunkAccounts: 3000},
		Publisher:   Publisher{Poll: time.Second},
		Retention:   defaultRetention(),
		Reports:     Reports{CSV: report.CSVPlain},
		Log:         Log{Level: "info", Format: "json"},
		Tracing:     Tracing{Sampling: 0.1},
	}
}

// Load is the defaults, overlaid by the file, overlaid by the
// environment (as os.Environ gives it), and validated. The file may be absent
// unless it was asked for by name (explicit). Every error is an [*Error],
// and names all that is wrong at once.
func Load(path string, explicit bool, environ []string) (*Config, error) {
	c, where := Default(), origins{}
	source, err := readSource(path, !explicit)
	if err != nil {
		return nil, err
	}
	if err := source.into(c, "", where); err != nil {
		return nil, newError("configuration", err)
	}
	if err := overlayEnvironment(c, environ, where); err != nil {
		return nil, newError("configuration", err)
	}
	if err := c.validate(where); err != nil {
		return nil, newError("configuration", err)
	}
	return c, nil
}

// Validate checks a Config that was put together in code; an [*Error].
func (c *Config) Validate() error {
	return newError("configuration", c.validate(nil))
}

func (c *Config) validate(where origins) error {
	found := &findings{origins: where}
	c.Kafka.validate(found)
	c.Database.validate(found)
	c.HTTP.validate(found)
	c.Cabinet.validate(found)
	c.Finance.validate(found)
	c.Invitations.validate(found)
	c.Programme.validate(found)
	c.Schedule.validate(found)
	c.Retention.validate(found, &c.Schedule)
	c.Reports.validate(found)
	c.Log.validate(found)
	c.Tracing.validate(found)
	found.inRange("settle.workers", c.Settle.Workers, 1, 64)
	found.inRange("settle.chunk_accounts", c.Settle.ChunkAccounts, 1, 20_000)
	found.lasts("publisher.poll", c.Publisher.Poll, 10*time.Millisecond, time.Hour)
	for _, site := range []struct{ name, url, file string }{
		{"cabinet", c.Cabinet.PublicURL, c.HTTP.CabinetTLS.CertFile}, {"finance", c.Finance.PublicURL, c.HTTP.FinanceTLS.CertFile},
	} {
		if site.file != "" && site.url == "" {
			found.add(site.name+".public_url", "needed with http.%s_tls: a certificate is for the name that browsers use; write for example https://%[1]s.example.ru", site.name)
		}
	}
	if c.Finance.SignIn.Issuer != "" && c.Finance.PublicURL == "" {
		if err := auth.CheckPublicURL(c.Finance.Public(c.HTTP.Finance)); err != nil {
			found.add("finance.public_url", "needed for signing in, because http.finance is not a loopback address; write for example https://referral.example.ru")
		}
	}
	if c.Cabinet.SignIn.Issuer != "" && c.Cabinet.PublicURL == "" {
		if err := auth.CheckPublicURL(c.Cabinet.Public(c.HTTP.Cabinet)); err != nil {
			found.add("cabinet.public_url", "needed for signing in, because http.cabinet is not a loopback address; write for example https://lk.example.ru")
		}
	}
	if c.Invitations.sendsExternally() && c.Cabinet.PublicURL == "" {
		found.add("cabinet.public_url", "needed for invitations: the links in them would lead to this machine; write for example https://lk.example.ru")
	}
	// A worker that waits for a connection holds locks that others wait for.
	if busy := max(c.Settle.Workers, c.Kafka.Workers); c.Database.MaxConnections <= busy {
		found.add("database.max_connections", "%d is too few: it must be more than settle.workers and kafka.workers (%d)",
			c.Database.MaxConnections, busy)
	}
	return found.err()
}

// String is the settings as YAML, without secrets: fit for a log.
func (c Config) String() string {
	text, err := yaml.Marshal(c)
	if err != nil {
		return fmt.Sprintf("the settings cannot be printed: %v", err)
	}
	return string(text)
}
