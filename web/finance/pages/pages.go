// Package pages is the staff pages in a browser, in Russian, rendered on the server
// from a [finance.Service]. They work without JavaScript.
package pages

import (
	"errors"
	"net/http"
	"time"

	"referral/models"
	"referral/web/auth"
	"referral/web/finance"
	"referral/web/htmlpage"
)

// Options is what the pages need. All fields are required.
type Options struct {
	Service *finance.Service
	Now     func() time.Time
	Zone    *time.Location // of the programme: days and hours are printed in it
	Portal  ClientPages
	Shadow  bool // months are settled beside an older system, and pages say so
}

// ClientPages shows the personal account of a client as the client sees it.
type ClientPages interface {
	// Show writes a page below the main page of an account, with links below base. found is
	// false when there is no such page. Nothing is written with an error.
	Show(w http.ResponseWriter, r *http.Request, account int64, page, base string) (found bool, err error)
	// Asset serves the file that {name} names.
	Asset(w http.ResponseWriter, r *http.Request)
}

func (o *Options) validate() error {
	switch {
	case o.Service == nil:
		return errors.New("finance pages: no Service")
	case o.Now == nil:
		return errors.New("finance pages: no Now")
	case o.Zone == nil:
		return errors.New("finance pages: no Zone")
	case o.Portal == nil:
		return errors.New("finance pages: no Portal")
	}
	return nil
}

// Pages is the staff pages in a browser.
type Pages struct {
	o         Options
	templates htmlpage.Set
}

// New makes the pages. The error says which option is missing.
func New(o Options) (*Pages, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	p := &Pages{o: o}
	var err error
	p.templates, err = htmlpage.Read(templateFiles, p.functions(), []string{"layout.html", "parts.html", "rehearsed.html"}, pageNames)
	return p, err
}

// Where the pages are.
const (
	pathMonths   = finance.BasePath
	pathClients  = "/finance/clients"
	pathRegister = "/finance/register"
	pathQueue    = "/finance/queue"
	pathJournal  = "/finance/journal"

	pathCheckJournal = "/finance/journal/check"

	pathRehearsals  = "/finance/rehearsals/"
	pathSuspicions  = "/finance/suspicions"
	pathLiabilities = "/finance/liabilities"
	pathSimulate    = "/finance/simulate"
	pathStyle       = "/finance/finance.css"

	// PathPortalAssets is where the assets of the personal account are served to staff.
	PathPortalAssets = "/finance/portal-assets/"

	pathActs      = "/finance/acts/"
	pathProposals = "/finance/proposals"
)

// Who may look at what: support tells clients about their discounts, the others deal
// with the money of a month.
var (
	everyRole = models.Roles
	moneyRole = []models.Role{models.RoleFinance, models.RoleController, models.RoleAuditor}
	// Who proposes what moves money or closes a month.
	financeRole = []models.Role{models.RoleFinance}
	// Who deals with clients: may promise that a code is accepted, and answers what is stored.
	promisingRole = []models.Role{models.RoleSupport, models.RoleFinance}
	// Who proposes, or may reject what others have proposed.
	actingRole = []models.Role{models.RoleSupport, models.RoleFinance, models.RoleController}
	// Who marks a suspicion as seen.
	markingRole = []models.Role{models.RoleFinance, models.RoleController}
	// Who compares other terms with the present ones.
	comparingRole = []models.Role{models.RoleFinance, models.RoleController}
)

// Routes are the ways to the pages, each with the roles that may use it.
func (p *Pages) Routes() []auth.Route {
	return append(
		p.actRoutes(),
		p.staff("GET /finance", everyRole, p.start),
		p.staff("GET /finance/months", moneyRole, p.months),
		p.staff("GET /finance/months/{period}", moneyRole, p.month),
		p.staff("GET /finance/months/{period}/sign", moneyRole, p.signing),
		p.staff("POST /finance/months/{period}/sign", financeRole, p.proposeClose),
		p.staff("POST /finance/months/{period}/reopen", financeRole, p.proposeReopen),
		p.staff("GET /finance/months/{period}/report", moneyRole, p.report),
		p.staff("GET /finance/months/{period}/report/export", moneyRole, p.exportReport),
		p.staff("GET /finance/months/{period}/run", moneyRole, p.runs),
		p.staff("POST /finance/months/{period}/run", financeRole, p.orderRun),
		p.staff("POST /finance/months/{period}/run/accept", financeRole, p.proposeAcceptance),
		p.staff("GET /finance/rehearsals/{order}", moneyRole, p.rehearsal),
		p.staff("GET /finance/rehearsals/{order}/export", moneyRole, p.exportRehearsal),
		p.staff("GET /finance/clients", everyRole, p.clients),
		p.staff("GET /finance/clients/{account}", everyRole, p.client),
		p.staff("GET /finance/clients/{account}/portal", everyRole, p.clientPortal),
		p.staff("GET /finance/clients/{account}/portal/{page...}", everyRole, p.clientPortal),
		p.staff("GET /finance/clients/{account}/revoke", financeRole, p.askRevocation),
		p.staff("GET /finance/clients/{account}/accept-code", promisingRole, p.askAcceptance),
		p.staff("GET /finance/invoices/{invoice}", everyRole, p.invoice),
		p.staff("GET /finance/register", moneyRole, p.register),
		p.staff("GET /finance/register/{period}/export", moneyRole, p.exportList(p.registerList)),
		p.staff("GET /finance/register/{period}/1c", moneyRole, p.exportOneC),
		p.staff("GET /finance/months/export", moneyRole, p.exportList(p.monthList)),
		p.staff("GET /finance/months/{period}/export", moneyRole, p.exportMonth),
		p.staff("GET /finance/months/{period}/run/export", moneyRole, p.exportRuns),
		p.staff("GET /finance/invoices/{invoice}/export", everyRole, p.exportInvoice),
		p.staff("GET /finance/months/{period}/breaks/export", moneyRole, p.exportList(p.breakList)),
		p.staff("GET /finance/journal/export", moneyRole, p.exportList(p.journalList)),
		p.staff("GET /finance/queue", moneyRole, p.queue),
		p.staff("GET /finance/queue/export", moneyRole, p.exportQueue),
		p.staff("GET /finance/proposals/export", everyRole, p.exportList(p.proposalList)),
		p.staff("GET /finance/clients/export", everyRole, p.exportList(p.foundList)),
		p.staff("GET /finance/clients/{account}/export", everyRole, p.exportClient),
		p.staff("POST /finance/clients/{account}/personal-data", promisingRole, p.exportPersonalData),
		p.staff("GET /finance/journal", moneyRole, p.journal),
		p.staff("POST "+pathCheckJournal, moneyRole, p.checkJournal),
		p.staff("GET /finance/proposals", everyRole, p.proposals),
		p.staff("GET /finance/proposals/{proposal}", everyRole, p.proposal),
		p.staff("POST /finance/proposals/{proposal}/approve", finance.MayApprove, p.approve),
		p.staff("POST /finance/proposals/{proposal}/reject", actingRole, p.reject),
		p.staff("GET /finance/suspicions", moneyRole, p.suspicions),
		p.staff("POST /finance/suspicions/{fingerprint}/seen", markingRole, p.markSeen),
		p.staff("GET /finance/liabilities", moneyRole, p.liabilities),
		p.staff("GET /finance/simulate", moneyRole, p.simulate),
		p.staff("POST /finance/simulate", comparingRole, p.orderWhatIf),
		p.staff("GET /finance/simulate/{order}", moneyRole, p.whatIf),
		p.staff("GET /finance/suspicions/export", moneyRole, p.exportSuspicions),
		p.staff("GET /finance/liabilities/export", moneyRole, p.exportLiabilities),
		p.staff("GET /finance/simulate/{order}/export", moneyRole, p.exportWhatIf),
		auth.Route{Pattern: "GET " + PathPortalAssets + "{name}", Access: auth.Anyone, Handler: http.HandlerFunc(p.o.Portal.Asset)},
		auth.Route{Pattern: "GET " + pathStyle, Access: auth.Anyone, Handler: styleSheet},
	)
}
