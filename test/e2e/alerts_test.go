package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

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
	unread      atomic.Pointer[[]byte] // the id of a topic that the broker does not hand out
	database    *pgproxy.Proxy
	smsc        *cutproxy.Proxy
	clock       string // the file that moves the program's clock
	certificate string // a file of certificates that a setting names
	secret      string // the file of the client secret
	temporary   string // the program's temporary directory
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
	a := &alarms{}
	via := cutproxy.New(t, "", cutproxy.Kafka, a.readable)
	broker, err := kafkaserver.Start(t.Context(), kafkaserver.Options{SASLVia: []string{via.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	closing(t, broker.Stop)
	via.ForwardTo(broker.SASLAddr())
	w := newWorldOn(t, servers{environment.dsn, broker.Addr()})
	w.must("migrate")
	folder := t.TempDir()
	a.portalWorld, a.watch, a.broker, a.database = &portalWorld{world: w}, startWatch(t, w), via, pgproxy.New(t, w.dsn())
	a.smsc, a.month = cutproxy.New(t, setting(t, "REFERRAL_TEST_SMPP"), bytesAsTheyCome, nil), today().Period().Previous()
	a.clock, a.certificate, a.secret = filepath.Join(folder, "clock"), filepath.Join(folder, "ca.pem"), filepath.Join(folder, "secret")
	a.temporary = t.TempDir()
	a.moveClock(-5 * time.Minute)
	a.certify(365)
	site := a.startProvider(t, "/referral", nil)
	a.replace(a.secret, []byte(a.identity.ClientSecret()))
	a.settings = []string{
		"REFERRAL_DATABASE_DSN=" + asRole(t, a.database.DSN(), serviceRole), "REFERRAL_KAFKA_BROKERS=" + via.Addr(),
		"REFERRAL_KAFKA_SASL_MECHANISM=scram-sha-256", "REFERRAL_KAFKA_SASL_USERNAME=" + broker.User(), "REFERRAL_KAFKA_SASL_PASSWORD=" + broker.Password(),
		"REFERRAL_SCHEDULE_CATCH_UP=* * * * *", "REFERRAL_SCHEDULE_ANSWER_GRACE=0s", "REFERRAL_RETENTION_AT=* * * * *", "TMPDIR=" + a.temporary,
		"REFERRAL_HTTP_CABINET=" + site, "REFERRAL_CABINET_SIGN_IN_ISSUER=" + a.identity.Issuer(), "REFERRAL_CABINET_SIGN_IN_CLIENT_ID=" + fakeoidc.ClientID,
		"REFERRAL_CABINET_SIGN_IN_CLIENT_SECRET_FILE=" + a.secret, "REFERRAL_CABINET_SIGN_IN_ACCOUNT_CLAIM=" + fakeoidc.AccountClaim,
		"REFERRAL_CABINET_SIGN_IN_AUDIENCE=" + fakeoidc.Audience,
		"REFERRAL_INVITATIONS_SMS_VIA=smpp", "REFERRAL_INVITATIONS_SMS_SMPP_ADDRESS=" + a.smsc.Addr(), "REFERRAL_INVITATIONS_SMS_SMPP_RECEIPT_IDS=decimal",
		"REFERRAL_INVITATIONS_SMS_SMPP_SYSTEM_ID=" + setting(t, "REFERRAL_TEST_SMPP_USER"),
		"REFERRAL_INVITATIONS_SMS_SMPP_PASSWORD=" + setting(t, "REFERRAL_TEST_SMPP_PASSWORD"),
		"REFERRAL_INVITATIONS_EMAIL_SMTP_CA_FILE=" + a.certificate, clockVariable + "=" + a.clock,
	}
	a.start()
	a.takeRights()
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

// with runs a command with further settings.
func (a *alarms) with(setting string, status int, args ...string) {
	a.t.Helper()
	cmd := a.command(a.t.Context(), args...)
	cmd.Env = append(cmd.Env, setting)
	cmd.Stdout = a.t.Output()
	checkExit(a.t, cmd, status, "")
}

func (a *alarms) execute(sql string, args ...any) {
	a.t.Helper()
	if _, err := a.db.Exec(a.t.Context(), sql, args...); err != nil {
		a.t.Fatalf("%s: %v", sql, err)
	}
}

// readable is the messages that clients send to the broker; a fetch from the topic that
// is not handed out breaks the connection.
func (a *alarms) readable(from io.Reader, buffer []byte) ([]byte, error) {
	message, err := cutproxy.Kafka(from, buffer)
	const sizeAndKey = 6
	if id := a.unread.Load(); err == nil && id != nil && len(message) > sizeAndKey &&
		kmsg.Key(binary.BigEndian.Uint16(message[sizeAndKey-2:])) == kmsg.Fetch && bytes.Contains(message, *id) {
		return nil, errors.New("the topic is not handed out")
	}
	return message, err
}

// takeRights takes rights from the program's role that it needs each night, and that
// migrate gives back.
func (a *alarms) takeRights() {
	a.t.Helper()
	for _, right := range []string{"INSERT ON journal_checks", "INSERT ON suspicion_searches", "DELETE ON sessions"} {
		a.execute("REVOKE " + right + " FROM " + serviceRole)
	}
}

// unmade is the alerts whose faults the test cannot make: no input is known to make the
// program panic, and two processes lead for a moment only while a database fails over.
// The unit tests of the rules have them.
var unmade = []string{"ReferralPanic", "ReferralSeveralPublishers"}

// Accounts of the test beside inviter and invitee.
const (
	second      = int64(910) // an inviter too
	third       = int64(920) // one with a package
	thirdFriend = int64(921) // the first of three
)

// TestAlertsFireAndClear makes the faults that alerts are for, in the program as it runs
// in production, and repairs them.
func TestAlertsFireAndClear(t *testing.T) {
	a := newAlarms(t)
	a.checkMetrics()
	old := a.month.Previous().Previous()
	a.send(client(inviter, "Резервация", noon(a.month.First()-200)), client(invitee, "Новые окна", noon(a.month.First()-5)),
		client(second, "Ветер", noon(a.month.First()-200)), client(second+1, "Море", noon(a.month.First()-5)), client(third, "Поле", noon(a.month.First()-200)))
	a.learnCodes(inviter, second, third)
	a.send(activation(invitee, a.codes[inviter], noon(a.month.First()-3)), activation(second+1, a.codes[second], noon(a.month.First()-3)),
		a.invoiceWithHologram(), bill(second, a.month, deal))
	for friend := thirdFriend; friend < thirdFriend+3; friend++ {
		a.send(client(friend, "Друг", noon(old.First()+1)), activation(friend, a.codes[third], noon(old.First()+2)))
	}
	a.send(a.longInvoices(1)...)
	a.drained()
	a.execute("ANALYZE accounts") // their number is an estimate

	a.dependenciesFail()
	a.settleWithFindings(old)
	a.databaseFails()
	a.brokerFails()
	a.messagesAreLost()
	a.watch.clears()
	a.checkThatAllFired()
}

// checkThatAllFired holds the alerts of the rules to those that the test has seen.
func (a *alarms) checkThatAllFired() {
	a.t.Helper()
	fired, err := a.watch.names(`count_over_time(ALERTS{alertstate="firing"}[2h])`)
	if err != nil {
		a.t.Fatal(err)
	}
	rules, err := filepath.Glob(rulesFolder + "/*.yaml")
	if err != nil || len(rules) == 0 {
		a.t.Fatalf("no rules: %v", err)
	}
	for _, file := range rules {
		text, err := os.ReadFile(file)
		if err != nil {
			a.t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`alert: (\w+)`).FindAllStringSubmatch(string(text), -1) {
			if slices.Contains(fired, m[1]) == slices.Contains(unmade, m[1]) {
				a.t.Errorf("%s: fired %t, and the test has to make its fault, or list it as one that cannot be made", m[1], slices.Contains(fired, m[1]))
			}
		}
	}
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
		"referral_programme_journal_faults", "referral_programme_journal_check_timestamp_seconds",
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

// longInvoices is invoices of the month before with lines that the terms do not name, and
// in a later revision with none. What a rehearsal finds of them does not fit into memory.
func (a *alarms) longInvoices(revision int) (all []message) {
	a.t.Helper()
	const invoices, lines = 11, 1000
	long := strings.Repeat("𝄞", 190) // an identifier has at most 200 characters
	before := a.month.Previous()
	for i := range invoices {
		var text []string
		for l := range lines {
			if revision == 1 {
				text = append(text, fmt.Sprintf(`{"line_id":"%s-%d","service":"hologram","from":%q,"to":%q,"amount_minor":100}`, long, l, before.First(), before.End()))
			}
		}
		all = append(all, fact("invoices", "/billing", "billing.invoice-issued.v1", fmt.Sprint("long-", i, "-", revision), inviter,
			`{"invoice_id":"%s-%d","account_id":%d,"period":%q,"revision":%d,"currency":"RUB","lines":[%s]}`, long, i, inviter, before, revision, strings.Join(text, ",")))
	}
	return all
}

// dependenciesFail takes one thing after the other away from the program, and gives most
// of it back.
func (a *alarms) dependenciesFail() {
	a.t.Helper()
	a.smsc.ForwardTo("127.0.0.1:1") // where nobody listens
	a.smsc.CutAll()
	if status := a.ask(http.MethodPost, "/api/v1/invitations", `{"channel":"sms","recipient":"+7 916 123-45-67"}`); status != http.StatusCreated {
		a.t.Errorf("inviting: status %d", status)
	}
	if err := a.identity.Stop(); err != nil {
		a.t.Fatal(err)
	}
	a.certify(10)
	a.replace(a.secret, nil)
	a.send(fact("registered", "/pbx", "pbx.registered.v1", "r-bad", 902, `{"account_id":902}`))
	end := a.openTransaction()
	a.recreate("promo_ended")
	a.takeRights()
	a.execute("ALTER TABLE invitations RENAME TO invitations_away")
	a.until("the bad message to be set aside", func() (bool, string) {
		return a.number("SELECT count(*) FROM dead_letters WHERE state = 'waiting'") == 1, "it is not"
	})
	other := strings.Replace(lowBrake, `"invitee":{"percent":20`, `"invitee":{"percent":50`, 1)
	a.with(other, 0, "terms", "apply", "--by", "finance", "--reason", "a test")
	a.with(other, 1, "run", a.month.String())
	if err := os.Remove(a.temporary); err != nil {
		a.t.Fatal(err)
	}
	a.execute(`INSERT INTO run_orders (period, what, "full", requested_by, requester_subject, requested_at) VALUES ($1, 'run', false, 'finance', 'finance', now() - interval '1 hour')`,
		int(a.month.Previous()))
	alerts := []string{
		"ReferralSignInUnavailable", "ReferralCertificateExpires", "ReferralFileUnusable", "ReferralDeadLetters", "ReferralOpenTransaction", "ReferralTopicRecreated",
		"ReferralDatabaseRejectsStatements", "ReferralForeignTerms", "ReferralBrakeWaiting", "ReferralMonthNotSettled", "ReferralRunOrderWaits", "ReferralJournalNotChecked",
	}
	a.watch.fires(append(alerts, "ReferralTransportUnavailable")...)

	var err error
	a.identity, err = fakeoidc.Start(a.t.Context(), fakeoidc.Options{Address: strings.TrimPrefix(a.identity.Issuer(), "http://")})
	if err != nil {
		a.t.Fatal(err)
	}
	closing(a.t, a.identity.Stop)
	a.replace(a.secret, []byte(a.identity.ClientSecret()))
	a.certify(1)
	end()
	a.execute("ALTER TABLE invitations_away RENAME TO invitations")
	a.must("dead-letters", "discard", fmt.Sprint(a.number("SELECT id FROM dead_letters WHERE state = 'waiting'")), "--by", "finance", "--reason", "a test")
	a.must("terms", "apply", "--by", "finance", "--reason", "a test")
	a.must("run", a.month.String(), "--accept", "--by", "finance", "--reason", "a test")
	a.execute("GRANT INSERT ON journal_checks TO " + serviceRole)
	a.watch.fires("ReferralRehearsalCacheErrors")
	if err := os.Mkdir(a.temporary, 0o700); err != nil {
		a.t.Fatal(err)
	}
	// The journal is checked with the next minute, while findings are made.
	a.watch.clears(append(alerts[:len(alerts)-1], "ReferralRehearsalCacheErrors")...)
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
	a.removeTopics(a.topics[key])
	a.must("migrate")
}

// settleWithFindings has a topic not handed out, the clock set forward, a line held, an
// account parked, a document rejected, another one booked with more, the journal changed
// and a package left out, and then all of it put right.
func (a *alarms) settleWithFindings(old models.Period) {
	a.t.Helper()
	a.published()
	a.handOut("terminated", false)
	a.send(fact("terminated", "/pbx", "pbx.terminated.v1", "t-905", 905, `{"account_id":905,"terminated_at":%q}`, noon(today()-1)))
	a.moveClock(0)
	rejected, more := a.document(inviter, a.month), a.document(second, a.month)
	a.send(answer(rejected.ID, inviter, 0, "rejected", noon(today()-1)), answer(more.ID, second, 2*more.Amount, "applied", noon(today()-1)))
	// Which account cannot be settled is nothing that a fact can bring about.
	a.execute(`INSERT INTO parked_accounts (run_id, account_id, period, error, parked_at)
		SELECT max(run_id), $1, period, 'a test', now() FROM runs WHERE state = 'done' GROUP BY period`, invitee)
	a.rewriteJournal("reason || '!'")
	alerts := []string{"ReferralClockJump", "ReferralPartitionStalled", "ReferralInvitationsWait", "ReferralTransportUnavailable"}
	a.watch.fires(alerts[:3]...)
	a.handOut("terminated", true)
	a.smsc.ForwardTo(setting(a.t, "REFERRAL_TEST_SMPP"))
	findings := []string{
		"ReferralHeldLines", "ReferralParked", "ReferralRejectedDocuments", "ReferralReconciliationBreaks", "ReferralEntitledNotDiscounted",
		"ReferralDiscountedNotEntitled", "ReferralJournalAltered", "ReferralPackagesWait", "ReferralCertificateExpired", "ReferralSchedulerErrors", "ReferralRetentionErrors",
	}
	a.watch.fires(findings...)
	a.watch.showsPanels()

	a.rewriteJournal("left(reason, -1)")
	a.certify(365)
	a.execute("GRANT DELETE ON sessions TO " + serviceRole + "; GRANT INSERT ON suspicion_searches TO " + serviceRole)
	revised := bill(inviter, a.month, deal)
	revised.value = bytes.Replace(revised.value, []byte(`"revision":1`), []byte(`"revision":2`), 1)
	revised.value = bytes.Replace(revised.value, []byte(`"id":"i-`), []byte(`"id":"second-i-`), 1)
	a.send(append(a.longInvoices(2), revised)...)
	a.must("resend", rejected.ID, "--by", "finance", "--reason", "a test")
	a.must("run", old.String())
	a.published()
	a.send(answer(rejected.ID, inviter, rejected.Amount, "applied", noon(today())), answer(more.ID, second, more.Amount, "applied", noon(today())),
		answer(a.text("SELECT package_id::text FROM sms_packages"), third, 0, "applied", noon(today())))
	alerts = append(alerts, findings[:len(findings)-1]...) // errors of the retention are seen for longer
	a.watch.clears(append(alerts, "ReferralJournalNotChecked")...)
}

// handOut has the broker hand out the messages of a topic, or not.
func (a *alarms) handOut(key string, may bool) {
	a.t.Helper()
	if may {
		a.unread.Store(nil)
		return
	}
	topic := a.topics[key]
	id, err := base64.RawURLEncoding.DecodeString(a.text("SELECT topic_id FROM topic_ids WHERE topic = '" + topic + "'"))
	if err != nil || len(id) != 16 {
		a.t.Fatalf("the id of a topic: %x, %v", id, err)
	}
	a.unread.Store(&id)
	a.until("the last fetches to be over", func() (bool, string) {
		for partition := range partitions {
			if !strings.Contains(a.server.log.all(), fmt.Sprintf(`"topic":%q,"partition":%d,"error":"fetching: `, topic, partition)) {
				return false, fmt.Sprint("partition ", partition)
			}
		}
		return true, ""
	})
}

// document is the first document of an account on a month, once it is published.
func (a *alarms) document(account int64, month models.Period) (found adjustment) {
	a.t.Helper()
	a.until("a document", func() (bool, string) {
		all := a.adjustments()
		i := slices.IndexFunc(all, func(d adjustment) bool { return d.AccountID == account && d.Period == month.String() })
		if i >= 0 {
			found = all[i]
		}
		return i >= 0, fmt.Sprintf("%d others", len(all))
	})
	return found
}

// rewriteJournal changes the oldest entry behind the program's back.
func (a *alarms) rewriteJournal(reason string) {
	a.t.Helper()
	a.execute(`ALTER TABLE operator_actions DISABLE TRIGGER append_only;
		UPDATE operator_actions SET reason = ` + reason + ` WHERE entry = 1;
		ALTER TABLE operator_actions ENABLE TRIGGER append_only`)
}

// databaseFails lets the database take no connection, and stops it, while a message comes
// and pages are asked for.
func (a *alarms) databaseFails() {
	a.t.Helper()
	alerts := []string{
		"ReferralDatabaseUnavailable", "ReferralConsumerLag", "ReferralFiguresOld", "ReferralErrorBudgetBurn", "ReferralRequestsFail", "ReferralDatabaseLimit",
	}
	a.asAdmin("ALTER DATABASE "+a.name+" CONNECTION LIMIT 0",
		fmt.Sprintf("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '%s' AND usename = '%s'", a.name, serviceRole))
	a.send(client(904, "Лес", noon(today()-1)))
	a.watch.fires("ReferralDatabaseLimit")
	a.database.SetUnavailable(true)
	a.asAdmin("ALTER DATABASE " + a.name + " CONNECTION LIMIT -1")
	a.until("requests to fail for a while", func() (bool, string) {
		a.ask(http.MethodGet, "/api/v1/standing", "")
		fired, err := a.watch.fired()
		return slices.Contains(fired, "ReferralRequestsFail"), fmt.Sprint(fired, " ", err)
	})
	a.watch.fires(alerts...)
	a.watch.silent("ReferralNotReady", "ReferralNoPublisher")
	a.database.SetUnavailable(false)
	a.watch.clears(alerts...)
}

// ask asks the personal account for something, as the inviter.
func (a *alarms) ask(method, path, body string) (status int) {
	a.t.Helper()
	request, err := http.NewRequestWithContext(a.t.Context(), method, a.site+path, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+a.identity.Token(inviter))
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", "a test")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		a.t.Fatal(err)
	}
	if err := answer.Body.Close(); err != nil {
		a.t.Error(err)
	}
	return answer.StatusCode
}

// brokerFails has a run post whose rows are lost and an event that the broker refuses, and
// stops the broker then.
func (a *alarms) brokerFails() {
	a.t.Helper()
	before := a.month.Previous()
	a.send(bill(inviter, before, deal))
	a.drained()
	a.loseDocuments()
	a.limitMessages("events", "64")
	a.must("run", before.String())
	a.send(client(906, "Луг", noon(today()-1)))
	a.watch.fires("ReferralIncompleteChunks", "ReferralPublisherHeld")
	a.broker.SetUnavailable(true)
	a.watch.fires("ReferralBrokerUnavailable", "ReferralPublisherBacklogOld")
	a.watch.silent("ReferralNotReady")
	a.broker.SetUnavailable(false)
	a.findDocuments()
	a.watch.clears("ReferralBrokerUnavailable", "ReferralIncompleteChunks")
	document := a.document(inviter, before)
	a.send(answer(document.ID, inviter, document.Amount, "applied", noon(today())))
}

// loseDocuments has every document that is posted from now on removed at once, as a
// superuser can.
func (a *alarms) loseDocuments() {
	a.t.Helper()
	a.execute(`CREATE SCHEMA lost;
		CREATE TABLE lost.adjustments (LIKE adjustments);
		CREATE FUNCTION lost.lose() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET session_replication_role = replica AS $$
		BEGIN
			INSERT INTO lost.adjustments SELECT NEW.*;
			DELETE FROM public.adjustments WHERE adjustment_id = NEW.adjustment_id;
			RETURN NULL;
		END $$;
		CREATE TRIGGER lose AFTER INSERT ON adjustments FOR EACH ROW EXECUTE FUNCTION lost.lose()`)
}

// findDocuments puts them back.
func (a *alarms) findDocuments() {
	a.t.Helper()
	a.execute(`DROP TRIGGER lose ON adjustments; INSERT INTO adjustments SELECT * FROM lost.adjustments; DROP SCHEMA lost CASCADE`)
}

// limitMessages sets the size of the messages that a topic takes; empty for the broker's.
func (a *alarms) limitMessages(key, size string) {
	a.t.Helper()
	one := kafka.IncrementalAlterConfigsRequestConfig{Name: "max.message.bytes", Value: size, ConfigOperation: kafka.ConfigOperationSet}
	if size == "" {
		one.ConfigOperation = kafka.ConfigOperationDelete
	}
	answer, err := a.client.IncrementalAlterConfigs(a.t.Context(), &kafka.IncrementalAlterConfigsRequest{
		Resources: []kafka.IncrementalAlterConfigsRequestResource{{ResourceType: kafka.ResourceTypeTopic, ResourceName: a.topics[key], Configs: []kafka.IncrementalAlterConfigsRequestConfig{one}}},
	})
	if err != nil || answer.Resources[0].Error != nil {
		a.t.Fatalf("limiting messages: %+v, %v", answer, err)
	}
}

// messagesAreLost removes messages, and sets an offset that its topic does not reach,
// while nothing runs.
func (a *alarms) messagesAreLost() {
	a.t.Helper()
	a.drained()
	a.limitMessages("events", "")
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
	release := a.holdPublisherLock()
	a.start()
	a.execute("ALTER TABLE goose_db_version RENAME TO goose_db_version_away")
	a.watch.fires("ReferralMessagesLost", "ReferralOffsetReset", "ReferralNoPublisher", "ReferralNotReady")
	a.execute("ALTER TABLE goose_db_version_away RENAME TO goose_db_version")
	release()
}

// holdPublisherLock keeps every process from publishing until release is called.
func (a *alarms) holdPublisherLock() (release func()) {
	a.t.Helper()
	const lock = 0x7265660002 // as package store has it
	session, err := a.db.Acquire(a.t.Context())
	if err != nil {
		a.t.Fatal(err)
	}
	if _, err := session.Exec(a.t.Context(), "SELECT pg_advisory_lock($1)", lock); err != nil {
		a.t.Fatal(err)
	}
	return func() {
		if err := session.Conn().Close(a.t.Context()); err != nil {
			a.t.Error(err)
		}
		session.Release()
	}
}
