package config

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Kafka is the broker, the topics and how messages are taken in.
type Kafka struct {
	Brokers           []string      `yaml:"brokers"` // host:port
	Group             string        `yaml:"group"`
	Topics            Topics        `yaml:"topics"`
	TLS               TLS           `yaml:"tls"`
	SASL              SASL          `yaml:"sasl"`
	CreateTopics      bool          `yaml:"create_topics"`
	Partitions        int           `yaml:"partitions"`         // of a topic that is created
	ReplicationFactor int           `yaml:"replication_factor"` // of a topic that is created
	BatchSize         int           `yaml:"batch_size"`         // messages in one transaction, at most
	Linger            time.Duration `yaml:"linger"`             // how long a batch may fill
	Workers           int           `yaml:"workers"`            // batches stored at a time
	SessionTimeout    time.Duration `yaml:"session_timeout"`    // of a member of the group that is silent
}

// Topics is the names of the topics (docs/contract.md, "Topics").
type Topics struct {
	Registered    string `yaml:"registered"`
	PromoEnded    string `yaml:"promo_ended"`
	Terminated    string `yaml:"terminated"`
	Activation    string `yaml:"activation"`
	Invoices      string `yaml:"invoices"`
	Results       string `yaml:"results"`
	Discounts     string `yaml:"discounts"`
	Packages      string `yaml:"packages"`
	Events        string `yaml:"events"`
	DeadLetters   string `yaml:"dead_letters"`
	Notifications string `yaml:"notifications"`
}

// SASL is how to log in to the broker; no mechanism means not at all.
type SASL struct {
	Mechanism    string `yaml:"mechanism"` // plain, scram-sha-256 or scram-sha-512
	Username     string `yaml:"username"`
	Password     Secret `yaml:"password"`
	PasswordFile string `yaml:"password_file"` // instead of Password
}

func defaultKafka() Kafka {
	return Kafka{
		Brokers: []string{"localhost:9092"},
		Group:   "referral",
		Topics: Topics{
			Registered: "pbx.registered", PromoEnded: "pbx.promo-ended", Terminated: "pbx.terminated",
			Activation: "referral.activation-requested",
			Invoices:   "billing.invoices", Results: "billing.adjustment-results",
			Discounts: "billing.adjustments.discounts", Packages: "billing.adjustments.sms-packages",
			Events: "referral.events", DeadLetters: "referral.dead-letters", Notifications: "referral.notifications",
		},
		CreateTopics: true, Partitions: 6, ReplicationFactor: 1,
		BatchSize: 2000, Linger: 20 * time.Millisecond, Workers: 2,
		SessionTimeout: 10 * time.Second,
	}
}

func (k *Kafka) validate(found *findings) {
	if len(k.Brokers) == 0 {
		found.add("kafka.brokers", "at least one is needed; write for example [\"kafka.example:9092\"]")
	}
	for _, broker := range k.Brokers {
		found.remoteAddress("kafka.brokers", broker, "kafka.example:9092")
	}
	if strings.TrimSpace(k.Group) == "" {
		found.add("kafka.group", "the consumer group needs a name, for example referral")
	}
	k.Topics.validate(found)
	k.TLS.validate(found, "kafka.tls")
	k.SASL.validate(found)
	found.inRange("kafka.partitions", k.Partitions, 1, 10_000)
	found.inRange("kafka.replication_factor", k.ReplicationFactor, 1, 100)
	found.inRange("kafka.batch_size", k.BatchSize, 1, 10_000)
	found.lasts("kafka.linger", k.Linger, 0, 10*time.Second)
	found.inRange("kafka.workers", k.Workers, 1, 64)
	found.lasts("kafka.session_timeout", k.SessionTimeout, 6*time.Second, 5*time.Minute)
}

var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

// Names is the topics by their config key: registered, promo_ended …
func (t *Topics) Names() map[string]string {
	names, section := map[string]string{}, reflect.ValueOf(*t)
	for field := range fieldsOf(section.Type()) {
		names[field.key] = section.Field(field.index).String()
	}
	return names
}

func (t *Topics) validate(found *findings) {
	names := t.Names()
	keys := sortedKeys(names)
	for i, key := range keys {
		name, path := names[key], "kafka.topics."+key
		if !topicName.MatchString(name) || name == "." || name == ".." {
			found.add(path, "%q is not a topic name: letters, digits, dot, _ and -, at most 249", name)
		}
		// The program would read its own output from a topic that it both writes and reads.
		if twin := slices.IndexFunc(keys[:i], func(k string) bool { return names[k] == name }); twin >= 0 {
			found.add(path, "%q is the topic of kafka.topics.%s too; each needs its own", name, keys[twin])
		}
	}
}

func (s *SASL) validate(found *findings) {
	if s.Mechanism == "" {
		if s.Username != "" || s.Password != "" || s.PasswordFile != "" {
			found.add("kafka.sasl.mechanism", "a user or password is given but no mechanism: plain, scram-sha-256 or scram-sha-512")
		}
		return
	}
	found.oneOf("kafka.sasl.mechanism", s.Mechanism, "plain", "scram-sha-256", "scram-sha-512")
	found.needed("kafka.sasl.username", s.Username, "for "+s.Mechanism, "")
	found.login("kafka.sasl", s.Username, s.Password, s.PasswordFile)
}

// Secret is the password, from the setting or from its file; an [*Error] when
// the file cannot be read.
func (s *SASL) Secret() (string, error) {
	return readSecret("kafka.sasl.password_file", s.Password, s.PasswordFile)
}
