package store_test

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"referral/billing"
	"referral/models"
	"referral/store"
)

// robot is an invoice of 1 000.00 for a service that the terms discount and as much for
// one that they do not name.
func robot(account int64, period models.Period) *models.Invoice {
	inv := invoice(account, period, 1, 100000, 100000)
	inv.Lines[1].Service = "robot"
	return inv
}

// decideService has Anna propose a decision and another person approve it.
func (l *life) decideService(d models.ServiceDecision, by models.Person) (models.ServiceDecision, error) {
	l.Helper()
	p, err := l.Propose(l.Context(), models.Proposal{What: d.What(), Subject: d.Subject(), Proposer: anna, Reason: "a test"}, models.RoleFinance)
	if err != nil {
		return d, err
	}
	if d, err = models.ServiceDecisionOf(&p, by); err != nil {
		l.Fatal(err)
	}
	return l.DecideService(l.Context(), d, models.OperatorAction{
		Who: by.Name, Role: models.RoleController, What: d.What(), Subject: d.Subject(), Reason: d.Reason,
		Approval: &models.Approval{Proposal: p.ID, By: by},
	}, l.p.CheckService)
}

func (l *life) classify(service string, class models.ServiceClass) models.ServiceDecision {
	l.Helper()
	d, err := l.decideService(models.ServiceDecision{Service: service, Class: class}, boris)
	if err != nil {
		l.Fatal(err)
	}
	return d
}

func (l *life) unclassify(d models.ServiceDecision) {
	l.Helper()
	if _, err := l.decideService(models.ServiceDecision{Undoes: d.ID}, boris); err != nil {
		l.Fatal(err)
	}
}

// A service that the terms do not name gets a discount by a decision of two persons, also
// in a month that is signed, by a document of the next one; undoing it takes that back.
func TestServiceDecision(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.adopt(l.p)
	l.inviter(885, 901, 902)
	l.facts(robot(885, 202604), robot(777, 202604), april(901, 1, 100000))
	l.settle(models.RunRequest{Period: 202604})
	l.close(202604)
	held := func() string {
		t.Helper()
		services, err := l.HeldServices(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(services)
	}
	if got := held(); got != "map[robot:{1 1 000.00}]" {
		t.Fatalf("held is %s", got)
	}

	discount := models.ServiceDecision{Service: "robot", Class: models.ServiceDiscounted}
	preview := l.p.PreviewService(discount)
	err := l.ForServiceDecision(t.Context(), func(all []models.ServiceDecision) (models.ServiceDecision, error) {
		return l.p.CheckService(all, discount)
	},
		func(c *models.AccountHistory) error {
			preview.Account(c)
			return nil
		})
	if got := fmt.Sprintf("%d %+v", preview.Lines, preview.Preview()); err != nil ||
		got != "1 {Changes:[{AccountID:885 InvoiceID:INV-2026-04-885 Period:2026-04 Currency:RUB Amount:-400.00 SMS:0}] More:0 Totals:[{Currency:RUB Accounts:1 Amount:-400.00}] Notes:[]}" {
		t.Errorf("the preview is %s, %v", got, err)
	}
	_, err = l.decideService(discount, anna)
	refused(t, err, models.ProposalOwn)
	if l.number("SELECT count(*) FROM service_decisions") != 0 {
		t.Fatal("one person has decided")
	}
	reject := func() {
		l.exec("UPDATE proposals SET state = 'rejected', decided_at = now(), decided_by = 'test' WHERE state = 'open'")
	}
	reject()

	decided := l.classify("robot", models.ServiceDiscounted)
	if got := l.dump("SELECT period, account_id FROM stale"); got != "(202604,885)" {
		t.Errorf("stale: %s", got)
	}
	l.calm()
	l.tie(202604)
	if got := l.adjustments("INV-2026-04-885"); got != "(1,run,-40000,202604) (2,late-fact,-40000,202605)" || held() != "map[]" {
		t.Errorf("the invoice has %s, held is %s", got, held())
	}
	c, _, err := l.AccountHistory(t.Context(), 885)
	if err != nil {
		t.Fatal(err)
	}
	e, _ := l.p.ExplainInvoice(&c, "INV-2026-04-885")
	if line := e.ByLine[1]; e.Difference != 0 || line.Class != "discounted" || line.Decision == nil || line.Decision.ID != decided.ID || line.Decision.ApprovedBy != boris.Name || e.ByLine[0].Decision != nil {
		t.Errorf("the explanation is %+v", e.ByLine)
	}

	var refusal *billing.DecisionRefusal
	for service, why := range map[string]billing.DecisionObstacle{"robot": billing.ObstacleDecided, "calls": billing.ObstacleNamed} {
		if _, err := l.decideService(models.ServiceDecision{Service: service, Class: models.ServiceExcluded}, boris); !errors.As(err, &refusal) || refusal.Why != why {
			t.Errorf("%s: %v", service, err)
		}
	}
	reject()
	l.unclassify(decided)
	if _, err := l.decideService(models.ServiceDecision{Undoes: decided.ID}, boris); !errors.As(err, &refusal) || refusal.Why != billing.ObstacleUndone {
		t.Errorf("undone twice: %v", err)
	}
	l.calm()
	l.tie(202604)
	if got := l.adjustments("INV-2026-04-885"); got != "(1,run,-40000,202604) (2,late-fact,-40000,202605) (3,late-fact,40000,202605)" || held() != "map[robot:{1 1 000.00}]" {
		t.Errorf("after the undo the invoice has %s, held is %s", got, held())
	}
	excluded := l.classify("robot", models.ServiceExcluded)
	l.calm()
	if got := l.adjustments("INV-2026-04-885"); strings.Count(got, "(") != 3 || held() != "map[]" {
		t.Errorf("an excluded service has %s, held is %s", got, held())
	}

	named := terms()
	named.Discounted = append(named.Discounted, "robot")
	l.adopt(programme(t, named))
	l.calm()
	l.tie(202604)
	if got := l.adjustments("INV-2026-04-885"); !strings.HasSuffix(got, "(4,late-fact,-40000,202605)") {
		t.Errorf("once the terms name the service, the invoice has %s", got)
	}
	l.unclassify(excluded)
	if n := l.number("SELECT count(*) FROM stale"); n != 0 {
		t.Errorf("undoing a decision without effect marks %d accounts", n)
	}
	for _, change := range []string{"UPDATE service_decisions SET reason = 'another'", "DELETE FROM service_decisions", "TRUNCATE service_decisions"} {
		if _, err := l.db.Exec(change); err == nil || !strings.Contains(err.Error(), "append-only") {
			t.Errorf("%s: %v", change, err)
		}
	}
}

// A run that has rehearsed before a decision posts by it; a chunk that is being settled
// while the decision is taken is not lost.
func TestServiceDecisionDuringARun(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.adopt(l.p)
	l.inviter(885, 901, 902)
	l.facts(robot(885, 202604))
	run := l.phase(l.start(models.RunRequest{Period: 202604}), l.pay)
	decided := l.classify("robot", models.ServiceDiscounted)
	l.finish(run, l.pay)
	if got := l.adjustments("INV-2026-04-885"); got != "(1,run,-80000,202604)" {
		t.Errorf("after a decision between the phases the invoice has %s", got)
	}

	const rounds = 6
	var periods []models.Period
	for i := range rounds {
		period := models.Period(202605 + i)
		periods = append(periods, period)
		l.facts(robot(885, period), robot(901, period), robot(902, period))
	}
	other := l.another()
	other.adopt(l.p)
	together(t, 2, func(i int) error {
		if i == 0 {
			for _, period := range periods {
				run, _, err := l.StartRun(l.Context(), models.RunRequest{Period: period, Accept: true, Chunk: 1})
				if err != nil {
					return err
				}
				if _, err := l.carry(l.Context(), run, l.pay); err != nil {
					return err
				}
			}
			return nil
		}
		for range rounds {
			if _, err := other.decideService(models.ServiceDecision{Undoes: decided.ID}, boris); err != nil {
				return err
			}
			var err error
			if decided, err = other.decideService(models.ServiceDecision{Service: "robot", Class: models.ServiceDiscounted}, boris); err != nil {
				return err
			}
		}
		return nil
	})
	l.calm()
	l.tie(append(periods, 202604)...)
	if n := l.number("SELECT count(*) FROM adjustment_items WHERE service = 'robot'"); n < rounds {
		t.Errorf("only %d items of the service are posted", n)
	}
}

// The statement that settlement reads decisions by gives what previews and pages take from
// all of them.
func TestServicesInForce(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.adopt(l.p)
	robot := l.classify("robot", models.ServiceDiscounted)
	fax := l.classify("fax", models.ServiceExcluded)
	l.classify("trunk", models.ServiceDiscounted)
	l.unclassify(robot)
	l.unclassify(fax)
	l.classify("robot", models.ServiceExcluded)
	all, err := l.ServiceDecisions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for service, d := range models.ServicesInForce(all) {
		want[service] = d.ID.String()
	}
	rows, err := l.db.QueryContext(t.Context(), "SELECT service, decision_id::text FROM ("+store.ServicesInForce+") d")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	got := map[string]string{}
	for rows.Next() {
		var service, id string
		if err := rows.Scan(&service, &id); err != nil {
			t.Fatal(err)
		}
		got[service] = id
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || !maps.Equal(got, want) {
		t.Errorf("in force are %v, want %v", got, want)
	}
}
