package config

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"referral/billing"
	"referral/models"
	"referral/test/pki"
)

const manual = "../../../config.yaml"

func TestTheManualHoldsTheDefaults(t *testing.T) {
	c, err := Load(manual, true, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(c, Default()) {
		t.Errorf("config.yaml:\n%s\ndefaults:\n%s", c, Default())
	}
}

// Every key stands in config.yaml, with a comment, and with the name of its
// variable in it.
func TestTheManualIsComplete(t *testing.T) {
	text, err := os.ReadFile(manual)
	if err != nil {
		t.Fatal(err)
	}
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	comments := commentsOf(root.Content[0], "")
	for _, s := range settings() {
		comment, there := comments[s.path]
		inStep := strings.HasPrefix(s.path, "programme.terms[].ladder[].") // explained above the table
		switch {
		case !there:
			t.Errorf("%s is missing", s.path)
		case comment == "" && !inStep:
			t.Errorf("%s has no comment", s.path)
		case !s.insideList() && !strings.Contains(comment, "["+s.variable()+"]"):
			t.Errorf("the comment of %s does not name [%s]", s.path, s.variable())
		}
	}
}

func commentsOf(n *yaml.Node, path string) map[string]string {
	found := map[string]string{}
	merge := func(more map[string]string) {
		for k, v := range more {
			found[k] += v
		}
	}
	switch n.Kind {
	case yaml.MappingNode:
		for i, p := range pairs(n) {
			inner := joined(path, p.key.Value)
			found[inner] += p.key.HeadComment + p.key.LineComment + p.value.LineComment
			if i == 0 {
				found[inner] += n.HeadComment // of a list's item, YAML gives it to the item
			}
			merge(commentsOf(p.value, inner))
		}
	case yaml.SequenceNode:
		for _, item := range n.Content {
			merge(commentsOf(item, path+"[]"))
		}
	}
	return found
}

func TestWithoutAFile(t *testing.T) {
	absent := filepath.Join(t.TempDir(), "config.yaml")
	c, err := Load(absent, false, []string{"REFERRAL_KAFKA_GROUP=other"})
	if err != nil {
		t.Fatal(err)
	}
	if c.Kafka.Group != "other" || c.Kafka.Partitions != 6 {
		t.Errorf("got %s", c)
	}
	_, err = Load(absent, true, nil)
	wantError(t, err, "config.yaml", "no such file")
}

func TestAFileOfLittle(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":              "",
		"a comment":            "# nothing\n",
		"an empty section":     "kafka:\n",
		"an empty sub-section": "kafka:\n  sasl:\n",
	} {
		t.Run(name, func(t *testing.T) {
			c, err := Load(fileOf(t, text), true, nil)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(c, Default()) {
				t.Errorf("got %s", c)
			}
		})
	}
}

// Every setting's variable changes that setting and no other.
func TestEveryLeafHasAnOverride(t *testing.T) {
	variables := map[string]string{}
	for _, s := range settings() {
		if s.insideList() {
			continue
		}
		if twin, ok := variables[s.variable()]; ok {
			t.Errorf("%s and %s have the same variable %s", s.path, twin, s.variable())
		}
		variables[s.variable()] = s.path
		if s.isLeaf() {
			t.Run(s.variable(), func(t *testing.T) { overridesItsLeaf(t, s) })
		}
	}
}

func overridesItsLeaf(t *testing.T, s setting) {
	text, want := another(t, s)
	c := Default()
	if err := overlayEnvironment(c, []string{s.variable() + "=" + text}, origins{}); err != nil {
		t.Fatal(err)
	}
	before, after := leaves(Default()), leaves(c)
	if !reflect.DeepEqual(after[s.path], want) {
		t.Errorf("got %v, want %v", after[s.path], want)
	}
	before[s.path] = want
	if !reflect.DeepEqual(before, after) {
		t.Errorf("more than %s changed", s.path)
	}
}

// another is a value that a setting does not have, as its variable would give
// it and as it should arrive.
func another(t *testing.T, s setting) (string, any) {
	t.Helper()
	now := reflect.ValueOf(Default()).Elem().FieldByIndex(s.index)
	want := reflect.New(s.typ).Elem()
	var text string
	switch {
	case s.typ == reflect.TypeFor[time.Duration]():
		want.SetInt(now.Int() + int64(time.Second))
		text = time.Duration(want.Int()).String()
	case s.typ.Kind() == reflect.Int:
		want.SetInt(now.Int() + 1)
		text = fmt.Sprint(want.Int())
	case s.typ.Kind() == reflect.Float64:
		want.SetFloat(now.Float() + 0.25)
		text = fmt.Sprint(want.Float())
	case s.typ.Kind() == reflect.Bool:
		want.SetBool(!now.Bool())
		text = fmt.Sprint(want.Bool())
	case s.typ.Kind() == reflect.String:
		text = now.String() + " a, #b: [c"
		want.SetString(text)
	case s.typ == reflect.TypeFor[[]string]():
		text = "a.example:1, b.example:2"
		want.Set(reflect.ValueOf([]string{"a.example:1", "b.example:2"}))
	case s.typ == reflect.TypeFor[[]Terms]():
		text = inlineTerms
		want.Set(reflect.ValueOf(parsedInlineTerms()))
	default:
		t.Fatalf("no sample of %s: add one", s.typ)
	}
	return text, want.Interface()
}

const inlineTerms = `[{effective_from: 2027-01-01, activation_window_months: 2, refuse_own_company: false, ` +
	`invitee: {percent: 10, months: 1}, ladder: [{percent: 5, months: 6, sms: 100}], ` +
	`services: {discounted: [subscription], excluded: []}, ` +
	`brake: {largest_total: 0.5, largest_full_share: 1, largest_change: 2, smallest_count: 3}}]`

func parsedInlineTerms() []Terms {
	return []Terms{{
		EffectiveFrom: models.NewDate(2027, 1, 1), ActivationWindowMonths: 2,
		Invitee:  billing.InviteeTerms{Percent: 10, Months: 1},
		Ladder:   []billing.StepTerms{{Percent: 5, Months: 6, SMS: 100}},
		Services: Services{Discounted: []string{"subscription"}, Excluded: []string{}},
		Brake:    Brake{LargestTotal: 50, LargestFullShare: 1, LargestChange: 2, SmallestCount: 3},
	}}
}

func leaves(c *Config) map[string]any {
	all := map[string]any{}
	for _, s := range settings() {
		if s.isLeaf() && !s.insideList() {
			all[s.path] = reflect.ValueOf(c).Elem().FieldByIndex(s.index).Interface()
		}
	}
	return all
}

func TestEnvironment(t *testing.T) {
	c, err := Load(fileOf(t, "kafka: {group: file, partitions: 3}\n"), true, []string{
		"PATH=/bin", "REFERRAL_TEST_DSN=x", "REFERRAL_SPRING=warm",
		"REFERRAL_KAFKA_GROUP=environment",
		`REFERRAL_KAFKA_BROKERS=["a.example:1"]`,
		"REFERRAL_KAFKA_TLS=true",
		"REFERRAL_KAFKA_SASL={mechanism: plain, username: section, password: p}",
		"REFERRAL_KAFKA_SASL_USERNAME=inner",
		`REFERRAL_PROGRAMME={"timezone":"Asia/Yekaterinburg"}`,
	})
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Kafka.Group, want.Kafka.Partitions = "environment", 3
	want.Kafka.Brokers = []string{"a.example:1"}
	want.Kafka.TLS.Enabled = true
	want.Kafka.SASL = SASL{Mechanism: "plain", Username: "inner", Password: "p"}
	want.Programme.Timezone = "Asia/Yekaterinburg"
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got\n%s\nwant\n%s", c, want)
	}
}

func TestTLSAsABool(t *testing.T) {
	for text, want := range map[string]TLS{
		"kafka: {tls: true}":                                {Enabled: true},
		"kafka: {tls: false}":                               {},
		"kafka: {tls: {enabled: true, server_name: kafka}}": {Enabled: true, ServerName: "kafka"},
	} {
		c, err := Load(fileOf(t, text), true, nil)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if c.Kafka.TLS != want {
			t.Errorf("%s: got %+v", text, c.Kafka.TLS)
		}
	}
}

// What is wrong is named with its place, and with what to do.
func TestWrongFiles(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		want       []string
	}{
		{"unknown key", "kafka:\n  broker: [\"a:1\"]\n", []string{"config.yaml:2: kafka.broker: unknown key", "kafka.brokers"}},
		{"unknown section", "kafak:\n  group: x\n", []string{"config.yaml:1: kafak: unknown key", "nearest known one is kafka"}},
		{"key of another section", "dsn: x\n", []string{"config.yaml:1: dsn: unknown key", "database.dsn"}},
		{"unknown key under tls", "kafka:\n  tls:\n    ca: x\n", []string{"config.yaml:3: kafka.tls.ca: unknown key", "kafka.tls.ca_file"}},
		{"unknown key of a step", "programme:\n  terms:\n    - ladder:\n        - {percent: 1, month: 2}\n",
			[]string{"config.yaml:4: programme.terms[0].ladder[0].month: unknown key", "programme.terms[].ladder[].months"}},
		{"all at once", "a: 1\nkafka: {partitions: many}\n", []string{"config.yaml:1: a:", `config.yaml:2: kafka.partitions: "many" is not a whole number`}},
		{"twice", "log:\n  level: info\n  level: warn\n", []string{"config.yaml", "line 3", "already defined at line 2"}},
		{"not YAML", "kafka: [\n", []string{"config.yaml is not YAML", "line"}},
		{"not a mapping", "- kafka\n", []string{"config.yaml:1", "must be a section of keys and values"}},
		{"two documents", "log: {level: info}\n---\nlog: {level: warn}\n", []string{"more than one YAML document"}},
		{"section as text", "database: postgres://u:geheim@h/d\n", []string{"config.yaml:1: database: must be a section"}},
		{"list as text", "kafka:\n  brokers: a:1\n", []string{"config.yaml:2: kafka.brokers: must be a list"}},
		{"text as list", "log: {level: [info]}\n", []string{"log.level: must be text"}},
		{"duration without unit", "kafka: {linger: 5}\n", []string{`kafka.linger: "5" is not a duration like 500ms or 30s`}},
		{"no bool", "kafka: {create_topics: maybe}\n", []string{`"maybe" is not true or false`}},
		{"no bool and no section", "kafka: {tls: maybe}\n", []string{`kafka.tls: "maybe" is not true, false or a section`}},
		{"no date", "programme: {terms: [{effective_from: soon}]}\n", []string{`"soon" is not a date like 2026-04-20`}},
		{"no version", "programme: {terms: []}\n", []string{"programme.terms: terms: there must be at least one version"}},
		{"half a version", "programme: {terms: [{effective_from: 2026-01-01, brake: }]}\n",
			[]string{"programme.terms[0]: invitee is missing", "programme.terms[0]: brake is missing", "written out whole"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Load(fileOf(t, tc.text), true, nil)
			wantError(t, err, tc.want...)
		})
	}
}

// What Kubernetes sets in every pod beside a service of the program's name, for
// ports with a name and without, is nobody's setting.
func TestLinksToTheServiceItselfAreIgnored(t *testing.T) {
	c, err := Load("config.yaml", false, []string{
		"REFERRAL_SERVICE_HOST=10.0.0.1", "REFERRAL_SERVICE_PORT=8080", "REFERRAL_SERVICE_PORT_HTTP=8080", "REFERRAL_SERVICE_PORT_ADMIN_HTTP2=9090",
		"REFERRAL_PORT=tcp://10.0.0.1:8080", "REFERRAL_PORT_8080_TCP=tcp://10.0.0.1:8080", "REFERRAL_PORT_8080_TCP_PROTO=tcp",
		"REFERRAL_PORT_8080_TCP_PORT=8080", "REFERRAL_PORT_8080_TCP_ADDR=10.0.0.1",
		"REFERRAL_PORT_53_UDP=udp://[fd00::1]:53", "REFERRAL_PORT_53_UDP_PROTO=udp", "REFERRAL_PORT_53_UDP_PORT=53", "REFERRAL_PORT_53_UDP_ADDR=fd00::1",
		"REFERRAL_PORT_9_SCTP=sctp://10.0.0.1:9", "REFERRAL_PORT_9_SCTP_PROTO=sctp", "REFERRAL_PORT_9_SCTP_PORT=9", "REFERRAL_PORT_9_SCTP_ADDR=10.0.0.1",
	})
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(c, Default()) {
		t.Errorf("the settings came to\n%s", c)
	}
}

func TestWrongVariables(t *testing.T) {
	for _, tc := range []struct {
		variable string
		want     []string
	}{
		{"REFERRAL_KAFKA_BROKER=a:1", []string{"REFERRAL_KAFKA_BROKER: unknown environment variable", "REFERRAL_KAFKA_BROKERS"}},
		{"REFERRAL_PROGRAMME_TERMS[]_BRAKE=x", []string{"unknown environment variable"}},
		{"REFERRAL_PORT=8080", []string{"REFERRAL_PORT: unknown environment variable; the nearest known one is"}},
		{"REFERRAL_PORTS_8080_TCP=tcp://10.0.0.1:8080", []string{"REFERRAL_PORTS_8080_TCP: unknown environment variable; the nearest known one is"}},
		{"REFERRAL_HOST=10.0.0.1", []string{"REFERRAL_HOST: unknown environment variable; the nearest known one is"}},
		{"REFERRAL_WEB_PORT=tcp://10.0.0.1:8080", []string{"REFERRAL_WEB_PORT: unknown environment variable; it looks like a Kubernetes link to the service referral-web", "enableServiceLinks: false"}},
		{"REFERRAL_WEB_SERVICE_HOST=10.0.0.1", []string{"REFERRAL_WEB_SERVICE_HOST", "the service referral-web", "enableServiceLinks: false"}},
		{"REFERRAL_WEB_PORT_80_TCP_ADDR=10.0.0.1", []string{"REFERRAL_WEB_PORT_80_TCP_ADDR", "the service referral-web", "enableServiceLinks: false"}},
		{"REFERRAL_KAFKA_PARTITIONS=many", []string{"REFERRAL_KAFKA_PARTITIONS: kafka.partitions:", `"many" is not a whole number`}},
		{"REFERRAL_KAFKA_PARTITIONS=", []string{"REFERRAL_KAFKA_PARTITIONS", "is empty", "a whole number"}},
		{"REFERRAL_KAFKA_PARTITIONS=0", []string{"REFERRAL_KAFKA_PARTITIONS: kafka.partitions: 0 must be 1 to 10000"}},
		{"REFERRAL_KAFKA_BROKERS=", []string{"kafka.brokers: at least one is needed"}},
		{"REFERRAL_KAFKA_SASL={user: x}", []string{"REFERRAL_KAFKA_SASL: kafka.sasl.user: unknown key", "kafka.sasl.username"}},
		{"REFERRAL_PROGRAMME={", []string{"REFERRAL_PROGRAMME is not YAML"}},
		{"REFERRAL_REPORTS_CSV=word", []string{"REFERRAL_REPORTS_CSV: reports.csv", `"word" must be plain or excel`}},
	} {
		t.Run(tc.variable, func(t *testing.T) {
			_, err := Load("config.yaml", false, []string{tc.variable})
			wantError(t, err, tc.want...)
		})
	}
}

func TestValidation(t *testing.T) {
	for _, tc := range []struct {
		text string
		want string
	}{
		{"kafka: {brokers: [kafka]}", `kafka.brokers: "kafka" is not host:port`},
		{"kafka: {brokers: [\":9092\"]}", `kafka.brokers: ":9092" is not host:port`},
		{"kafka: {brokers: [\"kafka:0\"]}", "is not host:port"},
		{"kafka: {group: \" \"}", "kafka.group: the consumer group needs a name"},
		{"kafka: {topics: {events: a b}}", `kafka.topics.events: "a b" is not a topic name`},
		{"kafka: {topics: {events: billing.invoices}}", `kafka.topics.invoices: "billing.invoices" is the topic of kafka.topics.events too`},
		{"kafka: {tls: {ca_file: ca.pem}}", "kafka.tls.enabled: other settings of kafka.tls are given but TLS is off"},
		{"kafka: {tls: {enabled: true, key_file: k}}", "go together"},
		{"kafka: {sasl: {username: u}}", "kafka.sasl.mechanism: a user or password is given but no mechanism"},
		{"kafka: {sasl: {mechanism: gssapi, username: u, password: p}}", `kafka.sasl.mechanism: "gssapi" must be`},
		{"kafka: {sasl: {mechanism: plain, password: p}}", "kafka.sasl.username: needed"},
		{"kafka: {sasl: {mechanism: plain, username: u}}", "kafka.sasl.password: give either"},
		{"kafka: {sasl: {mechanism: plain, username: u, password: p, password_file: f}}", "kafka.sasl.password: give either"},
		{"kafka: {batch_size: 0}", "kafka.batch_size: 0 must be 1 to 10000"},
		{"kafka: {linger: 1m}", "kafka.linger: 1m0s must be 0s to 10s"},
		{"database: {max_connections: 2}", "database.max_connections: 2 is too few"},
		{"database: {schema: Brand}", `database.schema: "Brand" is not the name of a schema`},
		{"database: {schema: pg_brand}", `database.schema: "pg_brand" is not the name of a schema`},
		{"database: {dsn: \"postgres://u:geheim@h:port/d\"}", "database.dsn: it cannot be read"},
		{"database: {role: Robert'; drop}", "database.role:"},
		{"database: {role: referral, reader_role: referral}", "database.reader_role: \"referral\" is the role of database.role too"},
		{"database: {statement_timeout: 1ms}", "database.statement_timeout: 1ms must be 1s to 24h0m0s"},
		{"http: {admin: \"9090\"}", `http.admin: "9090" is not host:port`},
		{"http: {admin: \"h:http\"}", `http.admin: "h:http" has no port`},
		{"http: {admin: \":1\", cabinet: \":1\"}", "http.admin: :1 is http.cabinet's address too"},
		{"schedule: {run: daily}", `schedule.run: "daily" is no cron line`},
		{"schedule: {run: TZ=UTC}", "schedule.run: \"TZ=UTC\": the zone belongs in schedule.timezone"},
		{"schedule: {catch_up: 61 * * * *}", "schedule.catch_up:"},
		{"schedule: {run: 0 3 31 2 *}", `schedule.run: "0 3 31 2 *" does not fire in five years`},
		{"schedule: {catch_up: \"30 3 31 4,6,9,11 *\"}", `schedule.catch_up: "30 3 31 4,6,9,11 *" does not fire in five years`},
		{"schedule: {timezone: Moscow}", `schedule.timezone: "Moscow" is not a known time zone`},
		{"schedule: {timezone: Local}", "schedule.timezone: a time zone must be named"},
		{"programme: {timezone: \"\"}", "programme.timezone: a time zone must be named"},
		{"programme: {currency: rouble}", `programme.currency: "rouble"`},
		{"settle: {chunk_accounts: 0}", "settle.chunk_accounts: 0 must be 1 to 20000"},
		{"publisher: {poll: 0s}", "publisher.poll: 0s must be 10ms to 1h0m0s"},
		{"log: {level: loud}", `log.level: "loud" must be debug`},
		{"log: {format: xml}", `log.format: "xml" must be json or text`},
	} {
		t.Run(tc.text, func(t *testing.T) {
			_, err := Load(fileOf(t, tc.text), true, nil)
			wantError(t, err, "config.yaml:1: ", tc.want)
		})
	}
}

func TestValidTerms(t *testing.T) {
	for change, want := range map[string]string{
		"percent: 10, months: 1|percent: 110, months: 1":        "invitee: 110 percent",
		"excluded: []|excluded: [subscription]":                 `service "subscription" is both`,
		"discounted: [subscription]|discounted: []":             "no service is discounted",
		"discounted: [subscription]|discounted: [\" numbers\"]": "spaces around it",
		"largest_full_share: 1|largest_full_share: 101":         "101 percent must be 0 (off) to 100",
		"largest_total: 0.5|largest_total: 1e9":                 `"1e9" is not an amount in roubles`,
		"largest_total: 0.5|largest_total: -1":                  `"-1" is not an amount in roubles`,
	} {
		old, changed, _ := strings.Cut(change, "|")
		text := strings.Replace(inlineTerms, old, changed, 1)
		if text == inlineTerms {
			t.Fatalf("%s changes nothing", change)
		}
		_, err := Load("config.yaml", false, []string{"REFERRAL_PROGRAMME_TERMS=" + text})
		wantError(t, err, "REFERRAL_PROGRAMME_TERMS", want)
	}
}

func TestRoubles(t *testing.T) {
	for text, kopecks := range map[string]Roubles{
		"0": 0, "0.5": 50, "12.34": 1234, "1_000_000_000.00": 1_000_000_000_00, "999999999999999.99": 999_999_999_999_999_99,
	} {
		var r Roubles
		if err := yaml.Unmarshal([]byte(text), &r); err != nil || r != kopecks {
			t.Errorf("%s: got %d kopecks, %v", text, r, err)
		}
	}
	for _, text := range []string{"-1", "1,5", "1.234", "1e9", "abc", `""`, "1000000000000000"} {
		var r Roubles
		if err := yaml.Unmarshal([]byte(text), &r); err == nil {
			t.Errorf("%s was read as %d kopecks", text, r)
		}
	}
}

// The defaults are the terms of docs/programme.md.
func TestDefaultRules(t *testing.T) {
	rules, err := Default().Programme.Rules()
	if err != nil {
		t.Fatal(err)
	}
	terms := rules.TermsOn(models.NewDate(2026, 4, 20))
	if terms.Ladder[2] != (billing.StepTerms{Percent: 60, Months: 12, SMS: 1200}) || len(terms.Ladder) != 5 {
		t.Errorf("ladder %v", terms.Ladder)
	}
	if terms.Brake.LargestTotal.String() != "1 000 000 000.00" {
		t.Errorf("largest total %s", terms.Brake.LargestTotal)
	}
	if rules.Class("sms_package", 0) != billing.Excluded || rules.Class("calls", 0) != billing.Discounted || rules.Class("fax", 0) != billing.Held {
		t.Error("services are on the wrong lists")
	}
}

func TestLoadTerms(t *testing.T) {
	running := Default()
	running.Programme.Timezone = "Asia/Yekaterinburg"
	for name, text := range map[string]string{
		"the section":           "terms: " + inlineTerms,
		"a whole configuration": "kafka: {group: other}\nprogramme:\n  terms: " + inlineTerms,
	} {
		t.Run(name, func(t *testing.T) {
			rules, err := running.LoadTerms(fileOf(t, text))
			if err != nil {
				t.Fatal(err)
			}
			if len(rules.Versions) != 1 || rules.Versions[0].Invitee.Percent != 10 || rules.Zone.String() != "Asia/Yekaterinburg" {
				t.Errorf("got %+v", rules)
			}
		})
	}
	for _, tc := range []struct{ text, want string }{
		{"", "lists no terms"},
		{"timezone: UTC\n", "lists no terms"},
		{"programme: {timezone: UTC}\n", "lists no terms"},
		{"term: []\n", "config.yaml:1: programme.term: unknown key; the nearest known one is programme.terms"},
		{"programme: {term: []}\n", "programme.term: unknown key"},
		{"terms: []\n", "at least one version"},
	} {
		_, err := running.LoadTerms(fileOf(t, tc.text))
		wantError(t, err, tc.want)
	}
	_, err := running.LoadTerms(filepath.Join(t.TempDir(), "other.yaml"))
	wantError(t, err, "other.yaml")
}

// A later version may repeat an earlier one by a YAML anchor.
func TestAnchorsSpareRepetition(t *testing.T) {
	text := "terms:\n- &first " + inlineTerms[1:len(inlineTerms)-1] + "\n- <<: *first\n  effective_from: 2028-01-01\n"
	rules, err := Default().LoadTerms(fileOf(t, text))
	if err != nil {
		t.Fatal(err)
	}
	if len(rules.Versions) != 2 || !slices.Equal(rules.Versions[0].Ladder, rules.Versions[1].Ladder) {
		t.Errorf("got %+v", rules.Versions)
	}
}

func TestPlaceholdersAreNotSecrets(t *testing.T) {
	for yaml, setting := range map[string]string{
		"database: {dsn: \"postgres://u:changeme@h/d\"}":                                                                                         "database.dsn",
		"database: {dsn: \"host=h user=u password=Change-Me\"}":                                                                                  "database.dsn",
		"kafka: {sasl: {mechanism: plain, username: u, password: xxxxx}}":                                                                        "kafka.sasl.password",
		"invitations: {email: {smtp: {username: u, password: your-password}}}":                                                                   "invitations.email.smtp.password",
		"cabinet: {sign_in: {issuer: \"https://id.example.ru\", client_id: c, client_secret: replace-me}, public_url: \"https://a.example.ru\"}": "cabinet.sign_in.client_secret",
	} {
		_, err := Load(fileOf(t, yaml), true, nil)
		wantError(t, err, setting, "the placeholder of an example")
	}
	file := fileOf(t, "changeme\n")
	_, err := (&SASL{PasswordFile: file}).Secret()
	wantError(t, err, "kafka.sasl.password_file", file, "the placeholder of an example")
}

func TestAdminAddressIsNotPublic(t *testing.T) {
	for _, c := range []struct {
		at      string
		own     []string
		allowed bool
		public  string // what the error names
	}{
		{at: "127.0.0.1"}, {at: "::1"}, {at: "10.1.2.3"}, {at: "100.64.0.1"}, {at: "fd00::1"}, {at: "fe80::1"},
		{at: "203.0.113.5", public: "203.0.113.5"}, {at: "2001:db8::1", public: "2001:db8::1"}, {at: "203.0.113.5", allowed: true},
		{at: "0.0.0.0", own: []string{"127.0.0.1/8", "192.168.1.2/24"}},
		{at: "::", own: []string{"127.0.0.1/8", "192.168.1.2/24", "203.0.113.5/24"}, public: "203.0.113.5"},
		{at: "::", own: []string{"203.0.113.5/24"}, allowed: true},
	} {
		var own []net.Addr
		for _, cidr := range c.own {
			ip, network, err := net.ParseCIDR(cidr)
			if err != nil {
				t.Fatal(err)
			}
			own = append(own, &net.IPNet{IP: ip, Mask: network.Mask})
		}
		err := (&HTTP{Admin: "host:9090", AdminPublic: c.allowed}).CheckAdmin(net.ParseIP(c.at), own)
		if c.public == "" {
			if err != nil {
				t.Errorf("%+v: %v", c, err)
			}
			continue
		}
		wantError(t, err, "http.admin: host:9090", c.public, "http.admin_public")
	}
}

// No way of printing shows a secret.
func TestSecretsAreNotPrinted(t *testing.T) {
	for _, dsn := range []DSN{
		"postgres://u:geheim@h:5432/d", "postgres://u@h/d?password=geheim&sslpassword=geheim", "postgresql://u:geh eim@h\x7f/",
		"host=h password=geheim user=u", `host=h password = 'geh\'geheim' user=u`, "geheim",
	} {
		c := Default()
		c.Database.DSN, c.Kafka.SASL.Password = dsn, "geheim"
		var log strings.Builder
		logger := (&Log{Level: "info", Format: "text"}).Logger(&log)
		logger.Info("settings", "config", *c, "dsn", dsn, "password", c.Kafka.SASL.Password)
		(&Log{Level: "info", Format: "json"}).Logger(&log).Info("settings", "config", c, "dsn", dsn)
		for _, shown := range []string{
			c.String(), log.String(), fmt.Sprint(c), fmt.Sprintf("%+v %#v", *c, *c), fmt.Sprintf("%v %q %#v", dsn, dsn, dsn),
		} {
			if strings.Contains(shown, "geheim") || strings.Contains(shown, "geh eim") {
				t.Errorf("%s is shown in %s", string(dsn), shown)
			}
		}
	}
	if got := DSN("host=h password=geheim user=u").String(); got != "host=h password=xxxxx user=u" {
		t.Errorf("got %s", got)
	}
	if got := DSN("postgres://u:geheim@h:5432/d").String(); got != "postgres://u:xxxxx@h:5432/d" {
		t.Errorf("got %s", got)
	}
}

func TestErrorsShowNoSecret(t *testing.T) {
	_, err := Load("config.yaml", false, []string{"REFERRAL_DATABASE_DSN=postgres://u:ge:heim@h:po rt/d"})
	wantError(t, err, "REFERRAL_DATABASE_DSN")
	if strings.Contains(err.Error(), "heim") {
		t.Error(err)
	}
}

func TestRequireDatabase(t *testing.T) {
	c := Default()
	wantError(t, c.RequireDatabase(), "database.dsn is not set", "REFERRAL_DATABASE_DSN")
	c.Database.DSN = "postgres://u@h/d"
	if err := c.RequireDatabase(); err != nil {
		t.Error(err)
	}
}

// A secret that a file cannot hold would have to be in the environment.
func TestEverySecretHasAFile(t *testing.T) {
	paths, secrets := map[string]bool{}, 0
	for _, s := range settings() {
		paths[s.path] = true
	}
	for _, s := range settings() {
		if s.typ == reflect.TypeFor[Secret]() || s.typ == reflect.TypeFor[DSN]() {
			secrets++
			if !paths[s.path+"_file"] {
				t.Errorf("%s has no %[1]s_file", s.path)
			}
		}
	}
	if secrets == 0 {
		t.Error("no setting is a secret")
	}
}

func TestDSNFile(t *testing.T) {
	for _, c := range []struct{ given, problem string }{
		{"postgres://u:geheim@h/d\n", ""},
		{"\n", "is empty"},
		{"postgres://u:ge:heim@h:po rt/d", "it cannot be read"},
	} {
		d := Database{DSNFile: fileOf(t, c.given)}
		got, err := d.Connection()
		if c.problem == "" {
			if err != nil || got != "postgres://u:geheim@h/d" {
				t.Errorf("got %q, %v", got, err)
			}
			continue
		}
		wantError(t, err, "database.dsn_file", d.DSNFile, c.problem)
		if strings.Contains(err.Error(), "heim") {
			t.Error(err)
		}
	}
	_, err := (&Database{DSNFile: "/absent"}).Connection()
	wantError(t, err, "database.dsn_file", "/absent")

	c := Default()
	c.Database.DSNFile = "/absent"
	if err := errors.Join(c.RequireDatabase(), c.Validate()); err != nil {
		t.Error(err)
	}
	c.Database.DSN = "postgres://u@h/d"
	wantError(t, c.Validate(), "give either database.dsn or database.dsn_file")
}

// The expiry of every certificate is shown: of a connection string, however it is
// written, and of the addresses that are listened on.
func TestCertificatesOfTheSettings(t *testing.T) {
	authority, err := pki.New()
	if err != nil {
		t.Fatal(err)
	}
	certificate, private, err := authority.Issue(time.Now().Add(time.Hour), "referral")
	if err != nil {
		t.Fatal(err)
	}
	ca, own, key := fileOf(t, string(authority.PEM())), fileOf(t, string(certificate)), fileOf(t, string(private))
	for dsn, want := range map[string][2]string{
		"postgres://u@h/d": {},
		"postgres://u@a:5432,b:5432/d?sslmode=verify-full&sslrootcert=" + url.QueryEscape(ca) + "&sslcert=" + own + "&sslkey=" + key: {ca, own},
		"host=a,b port=5432 sslmode=verify-full sslrootcert=" + ca + " sslcert = '" + own + "' sslkey=" + key:                        {ca, own},
		"postgres://u@h/d?sslmode=verify-full&sslrootcert=system":                                                                    {},
	} {
		c := Default()
		c.Database.DSNFile, c.HTTP.AdminTLS.CertFile = fileOf(t, dsn), "/admin.pem"
		files := c.Certificates()
		got := [2]string{files["database.dsn.sslrootcert"], files["database.dsn.sslcert"]}
		if got != want || files["http.admin_tls.cert_file"] != "/admin.pem" {
			t.Errorf("%s: got %q, want %q", dsn, files, want)
		}
	}
}

func TestCertificatesOfListenersGoWithAURL(t *testing.T) {
	_, err := Load(fileOf(t, "http: {cabinet_tls: {cert_file: c.pem}, finance_tls: {cert_file: f.pem, key_file: f.key}}"), true, nil)
	wantError(t, err, "http.cabinet_tls.cert_file", "go together", "cabinet.public_url: needed with http.cabinet_tls", "finance.public_url: needed with http.finance_tls")
}

func TestPasswordFile(t *testing.T) {
	s := SASL{PasswordFile: fileOf(t, "geheim\r\n")}
	if got, err := s.Secret(); err != nil || got != "geheim" {
		t.Errorf("got %q, %v", got, err)
	}
	_, err := (&SASL{PasswordFile: fileOf(t, "\n")}).Secret()
	wantError(t, err, "is empty")
	_, err = (&SASL{PasswordFile: "/absent"}).Secret()
	wantError(t, err, "kafka.sasl.password_file", "/absent")
}

func TestTLSFiles(t *testing.T) {
	if c, err := (&TLS{}).Client("kafka.tls"); c != nil || err != nil {
		t.Errorf("off, but got %v, %v", c, err)
	}
	c, err := (&TLS{Enabled: true, ServerName: "kafka"}).Client("kafka.tls")
	if err != nil || c.ServerName != "kafka" || c.InsecureSkipVerify {
		t.Errorf("got %v, %v", c, err)
	}
	_, err = (&TLS{Enabled: true, CAFile: fileOf(t, "no PEM")}).Client("kafka.tls")
	wantError(t, err, "kafka.tls.ca_file", "holds no certificate")
	_, err = (&TLS{Enabled: true, CertFile: "/absent", KeyFile: "/absent"}).Client("kafka.tls")
	wantError(t, err, "kafka.tls.cert_file", "/absent")
}

func TestLogger(t *testing.T) {
	quiet := Log{Level: "error", Format: "text"}
	if logger := quiet.Logger(io.Discard); logger.Enabled(t.Context(), 4) || !logger.Enabled(t.Context(), 8) {
		t.Error("the level is not heeded")
	}
}

func fileOf(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// wantError wants an error of exit status 2, in one line, that says all
// the words.
func wantError(t *testing.T, err error, words ...string) {
	t.Helper()
	if wrong := new(Error); !errors.As(err, &wrong) {
		t.Errorf("got %v (%T), want a configuration error", err, err)
		return
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q does not say %q", err, word)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("%q is more than one line", err)
	}
}
