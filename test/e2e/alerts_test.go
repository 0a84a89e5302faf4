package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"referral/internal/demo/fakeoidc"
	"referral/internal/toolcache"
	"referral/models"
	"referral/test/cutproxy"
	"referral/test/kafkaserver"
	"referral/test/pgproxy"
	"referral/test/pki"
)

// alarms is a program with all that it depends on, which a test takes away, and the
// Prometheus that watches it.
type alarms struct {
	*portalWorld
	watch       *watch
	broker      *cutproxy.Proxy
	database    *pgproxy.Proxy
	smsc        *cutproxy.Proxy
	clock       string // the file that moves the program's clock
	certificate string // a file of certificates that a setting names
	settings    []string
	month       models.Period
}

// bytesAsTheyCome is for a server whose messages are of no interest.
func bytesAsTheyCome(from io.Reader, buffer []byte) ([]byte, error) {
	if len(buffer) == 0 {
		buffer = make([]byte, 4096)
	}
	buffer = buffer[:cap(buffer)]
	n, err := from.Read(buffer)
	return buffer[:n], err
}

func newAlarms(t *testing.T) *alarms {
	t.Helper()
	t.Parallel()
	via := cutproxy.New(t, "", cutproxy.Kafka, cutproxy.Kafka)
	broker, err := kafkaserver.Start(t.Context(), kafkaserver.Options{SASLVia: via.Addr()})
	if err != nil {
		t.Fatal(err)
	}
	closing(t, broker.Stop)
	via.ForwardTo(broker.SASLAddr())
	w := newWorldOn(t, servers{environment.dsn, broker.Addr()})
	w.must("migrate")
	folder := t.TempDir()
	a := &alarms{
		portalWorld: &portalWorld{world: w}, watch: startWatch(t, w), broker: via, database: pgproxy.New(t, w.setting("REFERRAL_DATABASE_DSN")),
		smsc:  cutproxy.New(t, setting(t, "REFERRAL_TEST_SMPP"), bytesAsTheyCome, nil),
		clock: filepath.Join(folder, "clock"), certificate: filepath.Join(folder, "ca.pem"), month: today().Period().Previous(),
	}
	a.moveClock(0)
	a.certify(365)
	site := a.startProvider(t, "/referral", nil)
	a.settings = []string{
		"REFERRAL_DATABASE_DSN=" + asRole(t, a.database.DSN(), serviceRole), "REFERRAL_KAFKA_BROKERS=" + via.Addr(),
		"REFERRAL_KAFKA_SASL_MECHANISM=scram-sha-256", "REFERRAL_KAFKA_SASL_USERNAME=" + broker.User(), "REFERRAL_KAFKA_SASL_PASSWORD=" + broker.Password(),
		"REFERRAL_SCHEDULE_CATCH_UP=* * * * *", "REFERRAL_SCHEDULE_ANSWER_GRACE=0s",
		"REFERRAL_HTTP_CABINET=" + site, "REFERRAL_CABINET_SIGN_IN_ISSUER=" + a.identity.Issuer(), "REFERRAL_CABINET_SIGN_IN_CLIENT_ID=" + fakeoidc.ClientID,
		"REFERRAL_CABINET_SIGN_IN_CLIENT_SECRET=" + a.identity.ClientSecret(), "REFERRAL_CABINET_SIGN_IN_ACCOUNT_CLAIM=" + fakeoidc.AccountClaim,
		"REFERRAL_CABINET_SIGN_IN_AUDIENCE=" + fakeoidc.Audience,
		"REFERRAL_INVITATIONS_SMS_VIA=smpp", "REFERRAL_INVITATIONS_SMS_SMPP_ADDRESS=" + a.smsc.Addr(), "REFERRAL_INVITATIONS_SMS_SMPP_RECEIPT_IDS=decimal",
		"REFERRAL_INVITATIONS_SMS_SMPP_SYSTEM_ID=" + setting(t, "REFERRAL_TEST_SMPP_USER"),
		"REFERRAL_INVITATIONS_SMS_SMPP_PASSWORD=" + setting(t, "REFERRAL_TEST_SMPP_PASSWORD"),
		"REFERRAL_INVITATIONS_EMAIL_SMTP_CA_FILE=" + a.certificate, clockVariable + "=" + a.clock,
	}
	a.start()
	return a
}

// start starts the program and has it watched.
func (a *alarms) start() {
	a.t.Helper()
	a.server = a.launch(a.settings)
	a.server.ready()
	a.watch.scrape(a.server)
}

// replace writes a file that the program may read at any time.
func (a *alarms) replace(path string, content []byte) {
	a.t.Helper()
	if err := pki.Replace(path, content); err != nil {
		a.t.Fatal(err)
	}
}

func (a *alarms) moveClock(by time.Duration) {
	a.t.Helper()
	a.replace(a.clock, []byte(by.String()))
}

// certify writes a certificate that expires in some days.
func (a *alarms) certify(days int) {
	a.t.Helper()
	authority, err := pki.New()
	if err != nil {
		a.t.Fatal(err)
	}
	certificate, _, err := authority.Issue(time.Now().AddDate(0, 0, days))
	if err != nil {
		a.t.Fatal(err)
	}
	a.replace(a.certificate, certificate)
}

// with runs a command with further settings; what it says does not matter.
func (a *alarms) with(setting string, status int, args ...string) {
	a.t.Helper()
	cmd := a.command(a.t.Context(), args...)
	cmd.Env = append(cmd.Env, setting)
	checkExit(a.t, cmd, status, "")
}

func (a *alarms) execute(sql string, args ...any) {
	a.t.Helper()
	if _, err := a.db.Exec(a.t.Context(), sql, args...); err != nil {
		a.t.Fatalf("%s: %v", sql, err)
	}
}

// TestAlertsFireAndClear makes the faults that alerts are for, in the program as it runs
// in production, and repairs them. What cannot be made within minutes (a stalled
// partition, two publishers, a lost row of a chunk, a full disk under a large run, a day's
// wait) is left to the unit
// tests of the rules.
func TestAlertsFireAndClear(t *testing.T) {
	a := newAlarms(t)
	a.checkMetrics()
	a.send(client(inviter, "Резервация", noon(a.month.First()-200)), client(invitee, "Новые окна", noon(a.month.First()-5)))
	a.learnCodes(inviter)
	a.send(activation(invitee, a.codes[inviter], noon(a.month.First()-3)), a.invoiceWithHologram())
	a.drained()
	a.execute("ANALYZE accounts") // their number is an estimate

	a.dependenciesFail()
	a.settleWithFindings()
	a.databaseFails()
	a.brokerFails()
	a.messagesAreLost()
	a.watch.clears()
}

// checkMetrics looks at the first scrape: promtool accepts it, and it has every metric
// that a rule or a dashboard uses, but for those of which there is nothing to say yet.
func (a *alarms) checkMetrics() {
	a.t.Helper()
	a.until("the figures of the programme", func() (bool, string) {
		text := a.server.page("/metrics")
		return strings.Contains(text, "\nreferral_programme_stats_timestamp_seconds") && strings.Contains(text, "\nreferral_publisher_backlog_timestamp") &&
			strings.Contains(text, "\nreferral_notify_queue_timestamp") && strings.Contains(text, "\nreferral_consumer_lag"), "not read yet"
	})
	text := a.server.page("/metrics")
	check := a.watch.tool.Command(a.t.Context(), "promtool", "check", "metrics")
	check.Stdin = strings.NewReader(text)
	if err := toolcache.Run(check); err != nil {
		a.t.Error(err)
	}
	later := []string{
		"referral_programme_discounted_not_entitled_accounts", "referral_programme_entitled_not_discounted_accounts", "referral_programme_reconciliation_breaks",
		"referral_programme_discounted_not_entitled_kopecks", "referral_programme_entitled_not_discounted_kopecks", "referral_programme_last_successful_run_timestamp_seconds",
		"referral_programme_held_lines", "referral_programme_pending_packages", "referral_programme_oldest_run_order_timestamp_seconds",
		"referral_programme_last_settled_month_end_timestamp_seconds", "referral_database_rejected_statements_total",
		"referral_programme_journal_faults",
	}
	for _, pattern := range []string{rulesFolder + "/*.yaml", rulesFolder + "/../dashboards/*.json"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			a.t.Fatalf("no files %s: %v", pattern, err)
		}
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				a.t.Fatal(err)
			}
			for _, name := range regexp.MustCompile(`\b(?:referral|go|process)_[a-z_]+`).FindAllString(string(content), -1) {
				if !strings.Contains(text, "\n"+name) && !slices.Contains(later, name) {
					a.t.Errorf("%s uses %s, which is not in the first scrape", file, name)
				}
			}
		}
	}
}

// invoiceWithHologram has a line of a service that the terms do not name.
func (a *alarms) invoiceWithHologram() message {
	m := bill(inviter, a.month, deal)
	line := fmt.Sprintf(`"lines":[{"line_id":"2","service":"hologram","from":%q,"to":%q,"amount_minor":500},`, a.month.First(), a.month.End())
	m.value = bytes.Replace(m.value, []byte(`"lines":[`), []byte(line), 1)
	return m
}

// dependenciesFail takes one thing after the other away from the program, and gives all
// back.
func (a *alarms) dependenciesFail() {
	a.t.Helper()
	if err := a.identity.Stop(); err != nil {
		a.t.Fatal(err)
	}
	a.smsc.ForwardTo("127.0.0.1:1") // where nobody listens
	a.smsc.CutAll()
	a.certify(10)
	a.send(fact("registered", "/pbx", "pbx.registered.v1", "r-bad", 902, `{"account_id":902}`))
	end := a.openTransaction()
	a.recreate("promo_ended")
	a.execute("ALTER TABLE invitations RENAME TO invitations_away")
	a.until("the bad message to be set aside", func() (bool, string) {
		return a.number("SELECT count(*) FROM dead_letters WHERE state = 'waiting'") == 1, "it is not"
	})
	other := strings.Replace(lowBrake, `"invitee":{"percent":20`, `"invitee":{"percent":50`, 1)
	a.with(other, 0, "terms", "apply", "--by", "finance", "--reason", "a test")
	a.with(other, 1, "run", a.month.String())
	alerts := []string{
		"ReferralSignInUnavailable", "ReferralTransportUnavailable", "ReferralCertificateExpires", "ReferralDeadLetters", "ReferralOpenTransaction",
		"ReferralTopicRecreated", "ReferralDatabaseRejectsStatements", "ReferralForeignTerms", "ReferralBrakeWaiting", "ReferralMonthNotSettled",
	}
	a.watch.fires(alerts...)

	var err error
	a.identity, err = fakeoidc.Start(a.t.Context(), fakeoidc.Options{Address: strings.TrimPrefix(a.identity.Issuer(), "http://")})
	if err != nil {
		a.t.Fatal(err)
	}
	closing(a.t, a.identity.Stop)
	a.smsc.ForwardTo(setting(a.t, "REFERRAL_TEST_SMPP"))
	a.certify(365)
	end()
	a.execute("ALTER TABLE invitations_away RENAME TO invitations")
	a.must("dead-letters", "discard", fmt.Sprint(a.number("SELECT id FROM dead_letters WHERE state = 'waiting'")), "--by", "finance", "--reason", "a test")
	a.must("terms", "apply", "--by", "finance", "--reason", "a test")
	a.must("run", a.month.String(), "--accept", "--by", "finance", "--reason", "a test")
	a.watch.clears(alerts...)
}

// openTransaction leaves a transaction open until end is called.
func (a *alarms) openTransaction() (end func()) {
	a.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(a.servers.broker), kgo.TransactionalID(a.name))
	if err != nil {
		a.t.Fatal(err)
	}
	if err := client.BeginTransaction(); err != nil {
		a.t.Fatal(err)
	}
	m := registration(903, "2026-01-10T09:00:00Z")
	if err := client.ProduceSync(a.t.Context(), &kgo.Record{Topic: a.topics[m.topic], Key: []byte(m.key), Value: m.value}).FirstErr(); err != nil {
		a.t.Fatal(err)
	}
	return func() {
		defer client.Close()
		if err := client.EndTransaction(a.t.Context(), kgo.TryAbort); err != nil {
			a.t.Fatal(err)
		}
	}
}

// recreate deletes a topic and has migrate make it again.
func (a *alarms) recreate(key string) {
	a.t.Helper()
	gone := []string{a.topics[key]}
	if _, err := a.client.DeleteTopics(a.t.Context(), &kafka.DeleteTopicsRequest{Topics: gone}); err != nil {
		a.t.Fatal(err)
	}
	a.until("the topic to be gone", func() (bool, string) {
		answer, err := a.client.Metadata(a.t.Context(), &kafka.MetadataRequest{Topics: gone})
		return err == nil && len(answer.Topics) == 1 && answer.Topics[0].Error != nil, fmt.Sprint(err)
	})
	a.must("migrate")
}

// settleWithFindings has the clock set back, a line held, an account parked and a document
// rejected, and then all of it put right.
func (a *alarms) settleWithFindings() {
	a.t.Helper()
	a.moveClock(-12 * time.Second)
	a.published()
	document := a.adjustments()[0]
	a.send(answer(document.ID, inviter, 0, "rejected", noon(today()-1)))
	// Which account cannot be settled is nothing that a fact can bring about.
	a.execute(`INSERT INTO parked_accounts (run_id, account_id, period, error, parked_at)
		SELECT max(run_id), $1, period, 'a test', now() FROM runs WHERE state = 'done' GROUP BY period`, invitee)
	a.watch.fires("ReferralClockJump", "ReferralHeldLines", "ReferralParked", "ReferralRejectedDocuments", "ReferralReconciliationBreaks", "ReferralEntitledNotDiscounted")
	a.watch.showsPanels("referral_programme_pending_packages") // none waits

	revised := bill(inviter, a.month, deal)
	revised.value = bytes.Replace(revised.value, []byte(`"revision":1`), []byte(`"revision":2`), 1)
	revised.value = bytes.Replace(revised.value, []byte(`"id":"i-`), []byte(`"id":"second-i-`), 1)
	a.send(revised)
	a.must("resend", document.ID, "--by", "finance", "--reason", "a test")
	a.published()
	a.send(answer(document.ID, inviter, document.Amount, "applied", noon(today())))
	a.watch.clears()
}

// databaseFails stops the database while a message comes and pages are asked for.
func (a *alarms) databaseFails() {
	a.t.Helper()
	alerts := []string{
		"ReferralDatabaseUnavailable", "ReferralNoPublisher", "ReferralConsumerLag", "ReferralFiguresOld", "ReferralErrorBudgetBurn", "ReferralRequestsFail",
	}
	a.database.SetUnavailable(true)
	a.send(client(904, "Лес", noon(today()-1)))
	a.until("requests to fail for a while", func() (bool, string) {
		a.ask("/api/v1/standing")
		fired, err := a.watch.fired()
		return slices.Contains(fired, "ReferralRequestsFail"), fmt.Sprint(fired, " ", err)
	})
	a.watch.fires(alerts...)
	a.database.SetUnavailable(false)
	a.watch.clears(alerts...)
}

// ask asks the personal account for something, as the inviter. What it answers does not
// matter.
func (a *alarms) ask(path string) {
	a.t.Helper()
	request, err := http.NewRequestWithContext(a.t.Context(), http.MethodGet, a.site+path, http.NoBody)
	if err != nil {
		a.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+a.identity.Token(inviter))
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		a.t.Fatal(err)
	}
	if err := answer.Body.Close(); err != nil {
		a.t.Error(err)
	}
}

// brokerFails stops the broker while a run posts.
func (a *alarms) brokerFails() {
	a.t.Helper()
	before := a.month.Previous()
	a.send(bill(inviter, before, deal))
	a.drained()
	a.broker.SetUnavailable(true)
	a.must("run", before.String())
	alerts := []string{"ReferralBrokerUnavailable", "ReferralNotReady", "ReferralPublisherBacklogOld"}
	a.watch.fires(alerts...)
	a.broker.SetUnavailable(false)
	a.watch.clears(alerts...)
	a.published()
	document := a.adjustments()[1]
	a.send(answer(document.ID, inviter, document.Amount, "applied", noon(today())))
}

// messagesAreLost removes messages, and sets an offset that its topic does not reach,
// while nothing runs.
func (a *alarms) messagesAreLost() {
	a.t.Helper()
	a.drained()
	if status := a.server.stop(); status != 0 {
		a.t.Errorf("status %d", status)
	}
	a.watch.fires("ReferralAbsent")
	for account := range int64(20) {
		a.send(client(1000+account, "Лес", noon(today()-1)))
	}
	a.deleteRecords(a.topics["registered"], toEnd)
	_, err := a.client.OffsetCommit(a.t.Context(), &kafka.OffsetCommitRequest{
		GroupID: a.name, GenerationID: -1, Topics: map[string][]kafka.OffsetCommit{a.topics["terminated"]: {{Partition: 0, Offset: 1000}}},
	})
	if err != nil {
		a.t.Fatal(err)
	}
	a.start()
	a.watch.fires("ReferralMessagesLost", "ReferralOffsetReset")
}
