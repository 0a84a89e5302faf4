package main

import (
	"fmt"
	"time"

	"go.yaml.in/yaml/v3"

	"referral/web/door"
)

// Config is every setting of the program. config.yaml is its manual, and holds
// the same defaults as [DefaultConfig]. Printing a Config in any way hides its
// secrets.
type Config struct {
	Kafka       KafkaConfig       `yaml:"kafka"`
	Database    DatabaseConfig    `yaml:"database"`
	HTTP        HTTPConfig        `yaml:"http"`
	Cabinet     CabinetConfig     `yaml:"cabinet"`
	Invitations InvitationsConfig `yaml:"invitations"`
	Programme   ProgrammeConfig   `yaml:"programme"`
	Schedule    ScheduleConfig    `yaml:"schedule"`
	Settle      SettleConfig      `yaml:"settle"`
	Publisher   PublisherConfig   `yaml:"publisher"`
	Retention   RetentionConfig   `yaml:"retention"`
	Reports     ReportsConfig     `yaml:"reports"`
	Log         LogConfig         `yaml:"log"`
}

// SettleConfig is how a monthly run is shared out.
type SettleConfig struct {
	Workers       int `yaml:"workers"`
	ChunkAccounts int `yaml:"chunk_accounts"`
}

// PublisherConfig is how the ledger is sent out.
type PublisherConfig struct {
	Poll time.Duration `yaml:"poll"`
}

// DefaultConfig is what holds where neither the file nor the environment says
// otherwise. It names no database: see [Config.RequireDatabase].
func DefaultConfig() *Config {
	return &Config{
		Kafka:       defaultKafka(),
		Database:    DatabaseConfig{MaxConnections: 10, StatementTimeout: time.Minute},
		HTTP:        HTTPConfig{Cabinet: "127.0.0.1:8080", Admin: "127.0.0.1:9090"},
		Cabinet:     defaultCabinet(),
		Invitations: defaultInvitations(),
		Programme:   defaultProgramme(),
		Schedule:    ScheduleConfig{Run: "0 3 1 * *", CatchUp: "30 3 * * *", AnswerGrace: 12 * time.Hour, Timezone: "Europe/Moscow"},
		Settle:      SettleConfig{Workers: 2, ChunkAccounts: 3000},
		Publisher:   PublisherConfig{Poll: time.Second},
		Retention:   defaultRetention(),
		Reports:     ReportsConfig{CSV: csvPlain},
		Log:         LogConfig{Level: "info", Format: "json"},
	}
}

// LoadConfig is the defaults, overlaid by the file, overlaid by the
// environment (as os.Environ gives it), and validated. The file may be absent
// unless it was asked for by name (explicit). Every error is a *[UsageError],
// and names all that is wrong at once.
func LoadConfig(path string, explicit bool, environ []string) (*Config, error) {
	c, where := DefaultConfig(), origins{}
	source, err := readSource(path, !explicit)
	if err != nil {
		return nil, err
	}
	if err := source.overlay(c, where); err != nil {
		return nil, usageError("configuration", err)
	}
	if err := overlayEnvironment(c, environ, where); err != nil {
		return nil, usageError("configuration", err)
	}
	if err := c.validate(where); err != nil {
		return nil, usageError("configuration", err)
	}
	return c, nil
}

// Validate checks a Config that was put together in code; a *[UsageError].
func (c *Config) Validate() error {
	return usageError("configuration", c.validate(nil))
}

func (c *Config) validate(where origins) error {
	found := &findings{origins: where}
	c.Kafka.validate(found)
	c.Database.validate(found)
	c.HTTP.validate(found)
	c.Cabinet.validate(found)
	c.Invitations.validate(found)
	c.Programme.validate(found)
	c.Schedule.validate(found)
	c.Retention.validate(found, &c.Schedule)
	c.Reports.validate(found)
	c.Log.validate(found)
	found.inRange("settle.workers", c.Settle.Workers, 1, 64)
	found.inRange("settle.chunk_accounts", c.Settle.ChunkAccounts, 1, 20_000)
	found.lasts("publisher.poll", c.Publisher.Poll, 10*time.Millisecond, time.Hour)
	if c.Cabinet.SignIn.Issuer != "" && c.Cabinet.PublicURL == "" {
		if err := door.CheckPublicURL(c.Cabinet.Public(c.HTTP.Cabinet)); err != nil {
			found.add("cabinet.public_url", "needed for signing in, for http.cabinet is no loopback address; write for example https://lk.example.ru")
		}
	}
	if c.Invitations.leavesTheHouse() && c.Cabinet.PublicURL == "" {
		found.add("cabinet.public_url", "needed for invitations: the links in them would lead to this machine; write for example https://lk.example.ru")
	}
	// A worker that waits for another's connection holds locks meanwhile.
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
		return fmt.Sprintf("settings that cannot be printed: %v", err)
	}
	return string(text)
}
