package pages_test

import (
	"fmt"
	"time"

	"referral/billing"
	"referral/models"
	"referral/web/portal"
)

var (
	moscow = time.FixedZone("MSK", 3*3600)
	now    = time.Date(2026, 4, 25, 12, 0, 0, 0, moscow)
	today  = models.NewDate(2026, 4, 25)
)

// The scenes, by account.
const (
	newcomer   = 901 // may enter a code until 10 May
	latecomer  = 902 // may not any more
	promised   = 903 // joined with a code, promo not over
	inviter    = 885 // step 3, packages, months, invitations
	full       = 886 // 100 %, 55 friends
	terminated = 887
	leaving    = 888 // will be terminated on 1 July
	outsider   = 889 // terminated, and never took part
	soon       = 890 // takes no part, and will be terminated on 1 July
	waiting    = 904 // its code waits for the registration
	bare       = 905 // takes part without a code, window open
	both       = 906 // discount of both kinds
	empty      = 907 // takes part, has nothing
	unknown    = 999 // no fact has arrived
)

func scenes() *fakeService {
	return &fakeService{
		scenes: map[int64]*scene{
			newcomer:   {overview: overview(newcomer, "ООО «Новые окна»", func(s *portal.Overview) { s.TakesPart, s.Window = false, openWindow })},
			latecomer:  {overview: overview(latecomer, "ИП Поздняков", func(s *portal.Overview) { s.TakesPart = false })},
			promised:   {overview: overview(promised, "ООО «Обещание»", promise)},
			inviter:    inviterScene(),
			full:       fullScene(),
			terminated: {overview: overview(terminated, "ООО «Было»", func(s *portal.Overview) { s.Terminated = true })},
			leaving:    {overview: overview(leaving, "ООО «До июля»", leave)},
			outsider:   {overview: overview(outsider, "ООО «Мимо»", func(s *portal.Overview) { s.TakesPart, s.Terminated, s.TerminatedOn = false, true, today })},
			soon: {overview: overview(soon, "ООО «Пока»", func(s *portal.Overview) {
				s.TakesPart, s.Window, s.TerminatedOn = false, openWindow, day("2026-07-01")
			})},
			waiting: {overview: portal.Overview{PortalView: billing.PortalView{Today: today, AccountID: waiting, Pending: true, Steps: table(0)}}},
			bare:    {overview: overview(bare, "ООО «Сами»", func(s *portal.Overview) { s.Window = openWindow })},
			both:    {overview: overview(both, "ООО «Оба»", haveBoth)},
			empty:   {overview: overview(empty, "ООО «Пусто»", func(*portal.Overview) {})},
		},
		decisions: map[string]portal.ActivationResult{
			"UNKNOWN": {Reason: models.UnknownCode}, "OWN": {Reason: models.OwnCode}, "COMPANY": {Reason: models.OwnCompany},
			"AGAIN": {Reason: models.AlreadyActivated}, "LATE": {Reason: models.WindowClosed}, "TOOMANY": {Wait: 13*time.Minute + 20*time.Second},
			"WAITING": {Waiting: true, Reason: models.NotRegistered},
		},
		waits: map[portal.InviteRefusal]time.Duration{portal.InviteTooMany: 12 * time.Hour, portal.InviteAlreadyInvited: 12 * time.Hour},
		refusals: map[string]portal.InviteRefusal{
			"+78091234567": portal.InvitePremiumNumber, "а@example.ru": portal.InviteLookalike, "eleventh@example.ru": portal.InviteTooMany,
			"again@example.ru": portal.InviteAlreadyInvited, "never@example.ru": portal.InviteOptedOut, "off@example.ru": portal.InviteNotPossible,
			"12": portal.InviteBadRecipient, "друг@пример.рф": portal.InviteForeignLetters,
		},
	}
}

var (
	openWindow   = billing.Window{Months: 1, LastDay: day("2026-05-10"), ClosesAt: time.Date(2026, 5, 11, 0, 0, 0, 0, moscow), Open: true}
	closedWindow = billing.Window{Months: 1, LastDay: day("2026-02-10"), ClosesAt: time.Date(2026, 2, 11, 0, 0, 0, 0, moscow)}
)

func day(s string) models.Date {
	d, err := models.ParseDate(s)
	if err != nil {
		panic(err)
	}
	return d
}

// overview is that of a client that takes part and has nothing, changed.
func overview(account int64, name string, change func(*portal.Overview)) portal.Overview {
	s := portal.Overview{TakesPart: true, Link: "https://cabinet.example.ru/referral?code=K7M2QX9PA", PortalView: billing.PortalView{
		Today: today, AccountID: account, Name: name, Code: "K7M2QX9PA", Registered: true, Window: closedWindow, Steps: table(0), Offer: billing.Offer{Percent: 20, Months: 3},
		Next: billing.NextFriend{Step: 1, Percent: 20, End: day("2026-07-25")},
	}}
	change(&s)
	return s
}

// table is the customer's, with a step of one's own.
func table(own int) []billing.PortalStep {
	steps := []billing.PortalStep{{Percent: 20, Months: 3}, {Percent: 40, Months: 6}, {Percent: 60, Months: 12, SMS: 1200}, {Percent: 80, Months: 12}, {Percent: 100, Months: 12, SMS: 3200}}
	for i := range steps {
		steps[i].Friends, steps[i].Own = i+1, i+1 == own
	}
	return steps
}

func promise(s *portal.Overview) {
	s.Joined = &billing.JoinedBy{On: today, Percent: 20, Months: 3}
	s.Promised = &billing.PromisedInvitee{Percent: 20, Months: 3, PromoUntil: "2026-05-04"}
}

func haveBoth(s *portal.Overview) {
	s.Joined = &billing.JoinedBy{On: day("2026-03-01"), Percent: 20, Months: 3}
	s.Current = billing.CurrentDiscount{Percent: 60, Invitee: 20, Inviter: 40, Step: 2, Until: day("2026-06-01")}
	s.OnLadder, s.Friends, s.Steps = 2, 2, table(2)
	s.Next = billing.NextFriend{Step: 3, Percent: 60, End: day("2027-04-25"), SMS: 1200}
}

func leave(s *portal.Overview) {
	s.TerminatedOn = day("2026-07-01")
	s.Current = billing.CurrentDiscount{Percent: 20, Inviter: 20, Step: 1, Until: s.TerminatedOn}
	s.OnLadder, s.Friends, s.Steps = 1, 1, table(1)
	s.Next = billing.NextFriend{Step: 2, Percent: 40, End: s.TerminatedOn}
}

func inviterScene() *scene {
	return &scene{
		overview: overview(inviter, "Резервация", func(s *portal.Overview) {
			s.Current = billing.CurrentDiscount{Percent: 60, Inviter: 60, Step: 3, Until: day("2027-04-20")}
			s.OnLadder, s.Friends, s.Steps = 3, 3, table(3)
			s.Next = billing.NextFriend{Step: 4, Percent: 80, End: day("2027-04-25")}
			s.Packages = []billing.PortalPackage{
				{SMS: 1200, EarnedOn: day("2026-04-20"), State: billing.PackageEarned, Period: 202604},
				{SMS: 1200, EarnedOn: day("2024-02-11"), State: billing.PackageCredited, Period: 202402},
				{SMS: 3200, EarnedOn: day("2024-08-30"), State: billing.PackageOrdered, Period: 202408},
				{SMS: 3200, EarnedOn: day("2023-08-30"), State: billing.PackageRejected, Period: 202308},
			}
		}),
		friends: []portal.Friend{
			{AccountID: 1204, Name: "ООО «Ю***»", ActivatedOn: day("2026-04-20")},
			{AccountID: 1107, Name: "ИП К***", ActivatedOn: day("2026-03-05")},
			{AccountID: 931, Name: "Р***", ActivatedOn: day("2026-01-10")},
		},
		changes:     inviterChanges(),
		months:      inviterMonths(),
		why:         explanations(),
		invitations: inviterInvitations(),
	}
}

func inviterChanges() []billing.DiscountChange {
	return []billing.DiscountChange{
		{On: day("2026-04-20"), Percent: 60, Inviter: 60, Step: 3, Reason: billing.ChangeFriend, Friend: 1204},
		{On: day("2026-03-05"), Percent: 40, Inviter: 40, Step: 2, Reason: billing.ChangeFriend, Friend: 1107},
		{On: day("2026-02-24"), Percent: 20, Inviter: 20, Step: 1, Reason: billing.ChangeInviteeEnd},
		{On: day("2026-01-10"), Percent: 40, Invitee: 20, Inviter: 20, Step: 1, Reason: billing.ChangeFriend, Friend: 931},
		{On: day("2025-11-24"), Percent: 20, Invitee: 20, Reason: billing.ChangeInviteeStart},
		{On: day("2025-11-24"), Percent: 10, Invitee: 10, Reason: billing.ChangeTermination},
		{On: day("2025-06-02"), Reason: billing.ChangeLadderEnd},
		{On: day("2025-06-01"), Percent: 20, Inviter: 20, Step: 1, Reason: billing.ChangeFriend, Friend: 640},
	}
}

func inviterMonths() []billing.MonthMoney {
	months := []billing.MonthMoney{{
		Period: 202604, Highest: 60, Charged: 345000, Discount: 0, Waiting: -142000,
		Invoices: []billing.InvoiceSums{sums("INV-2026-04-885", 202604, 345000, 0, -142000)},
	}, {
		Period: 202603, Highest: 40, Charged: 421050, Discount: -150213, Waiting: 0,
		Invoices: []billing.InvoiceSums{sums("INV-2026-03-885", 202603, 300000, -112258, 0), sums("INV-2026-03-885-2", 202603, 121050, -37955, 0)},
	}}
	for i, discount := range []models.Money{-99931, -61400, -60000, -14000, 0, 0, 0, -900} {
		p := models.NewDate(2026, 2, 1).AddMonths(-i).Period()
		months = append(months, billing.MonthMoney{Period: p, Highest: 20, Charged: 300000, Discount: discount,
			Invoices: []billing.InvoiceSums{sums(fmt.Sprintf("INV-%s-885", p), p, 300000, discount, 0)}})
	}
	return months
}

func withUnbooked(s billing.InvoiceSums, rejected, resent, writtenOff models.Money) billing.InvoiceSums {
	s.Rejected, s.Resent, s.WrittenOff = rejected, resent, writtenOff
	return s
}

func sums(id string, p models.Period, charged, posted, waiting models.Money) billing.InvoiceSums {
	return billing.InvoiceSums{InvoiceID: id, Period: p, Revision: 1, Currency: "RUB", Lines: 2, Charged: charged, Wanted: posted + waiting, Posted: posted, Difference: waiting}
}

// explanations has one for every invoice of the months.
func explanations() map[string]billing.InvoiceExplanation {
	all := map[string]billing.InvoiceExplanation{}
	for _, m := range inviterMonths() {
		for _, invoice := range m.Invoices {
			all[invoice.InvoiceID] = billing.InvoiceExplanation{InvoiceSums: invoice, AccountID: inviter}
		}
	}
	all["INV-2026-04-885"] = explanation()
	return all
}

// explanation is the example of docs/programme.md, with lines that get nothing.
func explanation() billing.InvoiceExplanation {
	month := func(l billing.ExplainedLine) billing.ExplainedLine {
		l.From, l.To, l.Days = day("2026-04-01"), day("2026-05-01"), 30
		return l
	}
	return billing.InvoiceExplanation{
		InvoiceSums: withUnbooked(sums("INV-2026-04-885", 202604, 345000, -100006, -42000), -1, -2, -3), AccountID: inviter,
		ByLine: []billing.ExplainedLine{
			month(billing.ExplainedLine{
				LineID: "1", Service: "subscription", Class: "discounted", Amount: 300000, PercentDays: 1420, Wanted: -142000, Posted: -100000, Difference: -42000,
				Segments: []billing.ExplainedDays{
					{From: day("2026-04-01"), To: day("2026-04-20"), Days: 19, Inviter: 40, Percent: 40, PercentDays: 760},
					{From: day("2026-04-20"), To: day("2026-05-01"), Days: 11, Inviter: 60, Percent: 60, PercentDays: 660},
				},
			}),
			month(billing.ExplainedLine{
				LineID: "2", Service: "calls", Class: "discounted", Amount: 10001, PercentDays: 1000, Wanted: -3334,
				Segments: []billing.ExplainedDays{{From: day("2026-04-21"), To: day("2026-05-01"), Days: 10, Invitee: 20, Inviter: 100, Percent: 100, PercentDays: 1000}},
			}),
			month(billing.ExplainedLine{LineID: "3", Service: "sms_package", Class: "excluded", Amount: 45000}),
			month(billing.ExplainedLine{LineID: "4", Service: "video-meetings", Class: "held", Amount: 9900}),
			month(billing.ExplainedLine{LineID: "5", Service: "numbers", Class: "discounted", Amount: 12000}),
			month(billing.ExplainedLine{
				LineID: "7", Service: "numbers", Class: "discounted", Amount: 5000, PercentDays: 3000, Wanted: -5000, Posted: -5000,
				Segments: []billing.ExplainedDays{{From: day("2026-04-01"), To: day("2026-05-01"), Days: 30, Inviter: 100, Percent: 100, PercentDays: 3000}},
			}),
			{LineID: "6", Service: "recording", Class: "gone", Posted: -5000, Difference: 5000},
		},
		Documents: []billing.ExplainedDocument{
			{Sequence: 1, Reason: models.ReasonRun, PostingPeriod: 202604, Amount: -110000, Published: true, State: billing.DocumentApplied,
				Answer: &billing.Answered{Status: models.ResultApplied, Amount: -110000, At: now.Add(-48 * time.Hour)}},
			{Sequence: 2, Reason: models.ReasonLateFact, PostingPeriod: 202604, Amount: 10000, Published: true, State: billing.DocumentPublished},
			{Sequence: 3, Reason: models.ReasonInvoiceRevised, PostingPeriod: 202605, Amount: -42000, State: billing.DocumentPosted},
			{Sequence: 4, Reason: models.ReasonRun, PostingPeriod: 202605, Amount: -1, Published: true, State: billing.DocumentRejected,
				Answer: &billing.Answered{Status: models.ResultRejected, Reason: "internal words", At: now}},
			{Sequence: 5, Reason: models.ReasonRun, PostingPeriod: 202605, Amount: -2, Published: true, State: billing.DocumentResent,
				Answer:    &billing.Answered{Status: models.ResultRejected, Reason: "internal words", At: now},
				Decisions: []billing.Decision{{What: "resent", By: "internal name", Reason: "internal words", At: now}}},
			{Sequence: 6, Reason: models.ReasonRun, PostingPeriod: 202605, Amount: -3, Published: true, State: billing.DocumentWrittenOff,
				Answer:    &billing.Answered{Status: models.ResultRejected, Reason: "internal words", At: now},
				Decisions: []billing.Decision{{What: "written off", By: "internal name", Reason: "internal words", At: now}}},
			{Sequence: 7, Reason: models.ReasonBookedElsewhere, PostingPeriod: 202605, Amount: -4, State: billing.DocumentShadow},
		},
	}
}

func inviterInvitations() []models.Invitation {
	at := func(hours int) time.Time { return now.Add(-time.Duration(hours) * time.Hour) }
	return []models.Invitation{
		invitation(7, models.Email, "anna.petrova@very-long-company-name.example.ru", models.InvitationQueued, at(1)),
		invitation(6, models.SMS, "+79123456789", models.InvitationSending, at(2)),
		invitation(5, models.SMS, "+79161112233", models.InvitationDelivered, at(26)),
		invitation(4, models.Email, "ivan@example.ru", models.InvitationSent, at(50)),
		invitation(3, models.Email, "nobody@example.ru", models.InvitationFailed, at(75)),
		invitation(2, models.Email, "maybe@example.ru", models.InvitationUnknown, at(99)),
		invitation(1, models.Email, "never@example.ru", models.InvitationOptedOut, at(120)),
	}
}

func fullScene() *scene {
	s := &scene{overview: overview(full, "Акционерное общество «Торгово-промышленная группа компаний „Северо-Западный распределительный центр“»", func(s *portal.Overview) {
		s.Current = billing.CurrentDiscount{Percent: 100, Inviter: 100, Step: 5, Until: day("2027-04-20")}
		s.OnLadder, s.Friends, s.Steps = 55, 55, table(5)
		s.Next = billing.NextFriend{Step: 5, Percent: 100, End: day("2027-04-25")}
	})}
	for i := range 55 {
		s.friends = append(s.friends, portal.Friend{AccountID: int64(3000 - i), Name: fmt.Sprintf("ООО «К***» %d", 55-i), ActivatedOn: day("2026-04-20") - models.Date(i)})
		s.changes = append(s.changes, billing.DiscountChange{On: day("2026-04-20") - models.Date(3*i), Percent: 100, Inviter: 100, Step: 5, Reason: billing.ChangeFriend, Friend: int64(3000 - i),
			End: day("2027-04-20") - models.Date(3*i), Kept: i < 50, Extended: i != 1})
	}
	return s
}
