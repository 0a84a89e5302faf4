package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"referral/models"
	"referral/test/browser"
)

// shotsVariable names the folder that TestPictures leaves its pictures in:
// `make screenshots` says docs/img. Without it the test only proves that it can.
const shotsVariable = "REFERRAL_TEST_SHOTS"

// screenshotClient is a friend of the inviter, who came that many months ago.
type screenshotClient struct {
	account int64
	name    string
	months  int
}

var guests = []screenshotClient{
	{1204, "Стройинвест", 5}, {1377, "Пекарня «Колос»", 4}, {1512, "Автомир", 2}, {1640, "Ателье «Шов»", 0},
}

const newcomer = int64(1733)

// TestPictures takes a picture of every page, of a client who has been at it for
// half a year and of one who has just come.
func TestPictures(t *testing.T) {
	folder := os.Getenv(shotsVariable)
	if folder == "" {
		folder = t.TempDir()
	}
	f, settings := newFriends(t)
	c := newPortalWorld(t, settings...)
	c.halfAYear()
	old := screensOf(t, c, inviter)
	invite(t, old["desk"], "Отправить email", "Email получателя", "buhgalter@romashka.ru")
	c.to(old["desk"], "/referral/invite")
	old["desk"].Click("Отправить SMS")
	old["desk"].Fill("Телефон получателя", "8 (916) 123-45-67")
	old["desk"].Follow(func() { old["desk"].Click("Пригласить") })
	f.short(t, 1)
	letter := f.letter(t, "buhgalter@romashka.ru")
	c.until("the receipt", func() (bool, string) {
		c.to(old["desk"], "/referral/invitations")
		return old["desk"].Shows("Доставлено"), old["desk"].Text()
	})
	month := today().Period().Previous().Previous() // in which a friend came
	for name, path := range map[string]string{
		"home": "/referral", "friends": "/referral/friends", "history": "/referral/history", "invitations": "/referral/invitations",
		"why": fmt.Sprintf("/referral/history/INV-%s-%d", month, inviter),
	} {
		for screen, p := range old {
			if screen == "dark" && name != "home" {
				continue
			}
			c.to(p, path)
			c.picture(t, p, folder, name, screen)
		}
	}
	for screen, p := range old {
		c.to(p, "/referral")
		p.Click("Пригласить")
		p.WaitText("Email получателя")
		c.picture(t, p, folder, "invite", screen)
	}
	c.newcomerPictures(t, folder)
	c.letterPictures(t, folder, optOut.FindString(letter.Text))
}

// screensOf opens all screens for an account.
func screensOf(t *testing.T, c *portalWorld, account int64) map[string]*browser.Page {
	t.Helper()
	return map[string]*browser.Page{
		"desk":  c.visit(t, account, "/referral", browser.Options{LessMotion: true}),
		"phone": c.visit(t, account, "/referral", browser.Options{Phone: true, LessMotion: true}),
		"dark":  c.visit(t, account, "/referral", browser.Options{Dark: true, LessMotion: true}),
	}
}

// picture keeps the desk's light picture under the plain name.
func (c *portalWorld) picture(t *testing.T, p *browser.Page, folder, name, screen string) {
	t.Helper()
	judge(t, p)
	if screen != "desk" {
		name += "-" + screen
	}
	file := filepath.Join(folder, name+".png")
	p.Screenshot(file)
	if info, err := os.Stat(file); err != nil || info.Size() == 0 {
		t.Errorf("%s holds no picture: %v", file, err)
	}
}

func (c *portalWorld) newcomerPictures(t *testing.T, folder string) {
	t.Helper()
	for screen, p := range screensOf(t, c, newcomer) {
		c.picture(t, p, folder, "joining", screen)
	}
	p := c.visit(t, newcomer, "/referral", browser.Options{LessMotion: true})
	enterCode(p, "K7M2XQ9RT")
	p.WaitText("Такого кода нет")
	c.picture(t, p, folder, "refused", "desk")
	enterCode(p, c.codes[inviter])
	p.WaitText("Код принят")
	c.picture(t, p, folder, "joined", "desk")
}

func (c *portalWorld) letterPictures(t *testing.T, folder, link string) {
	t.Helper()
	for screen, o := range map[string]browser.Options{"desk": {}, "phone": {Phone: true}} {
		o.Hosts, o.LessMotion = c.hosts(), true
		p := browser.Open(t, o)
		p.Goto(link)
		c.picture(t, p, folder, "opt-out", screen)
	}
}

// halfAYear is the life of the inviter so far: friends, bills, runs, and billing's
// answers.
func (c *portalWorld) halfAYear() {
	c.t.Helper()
	first := today().Period()
	for range 6 {
		first = first.Previous()
	}
	c.send(client(inviter, "Резервация", noon(first.First()-200)), client(newcomer, "Цветы на Лесной", before(9)))
	c.learnCodes(inviter)
	for _, g := range guests {
		on := today() - models.Date(2)
		if g.months > 0 {
			on = today().AddMonths(-g.months).Period().First() + 9
		}
		c.send(client(g.account, g.name, noon(on-4)), activation(g.account, c.codes[inviter], noon(on)))
	}
	c.drained()
	for month := first; month < today().Period(); month = month.Next() {
		c.send(bill(inviter, month, 480_000+1_750*int64(month%100)))
		c.drained()
		c.must("run", month.String())
		c.published()
		c.answer()
	}
	c.send(bill(inviter, today().Period(), 498_000))
	c.drained()
}

// answer has billing accept all that has gone out.
func (c *portalWorld) answer() {
	c.t.Helper()
	accept := func(id string, account, amount int64) {
		c.send(fact("results", "/billing", "billing.adjustment-result.v1", "result-"+id, account,
			`{"adjustment_id":%q,"status":"applied","amount_minor":%d,"at":%q}`, id, amount, time.Now().Format(time.RFC3339)))
	}
	for _, doc := range c.adjustments() {
		accept(doc.ID, doc.AccountID, doc.Amount)
	}
	for _, one := range heard[smsPackage](c.world, "packages", "referral.sms-package.v1") {
		accept(one.data.ID, one.data.AccountID, 0)
	}
	c.drained()
}

func noon(d models.Date) string { return d.String() + "T12:00:00+03:00" }
