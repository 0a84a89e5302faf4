package pages

import (
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"referral/billing/suspicion"
	"referral/models"
	"referral/web/finance"
)

type suspicionsView struct {
	models.Suspicions

	Searched bool
	Seen     bool // those that somebody has looked at
	Rows     []suspicionRow
	MayAct   bool   // this person
	Done     string // "seen" when one was just marked, "no-note" when it was not
	Burst    int
	Exports  []exportLink
}

type suspicionRow struct {
	models.Suspicion

	ID       string
	Title    string
	Clients  int
	Shown    []models.Referral
	More     int // referrals that are not shown
	InCommon []string
}

// referralsShown is how many referrals of a suspicion are shown.
const referralsShown = 20

// suspicions is the referrals that a person should look at.
func (p *Pages) suspicions(w http.ResponseWriter, r *http.Request, staff models.Staff) error {
	v := suspicionsView{Seen: r.URL.Query().Get("seen") == "yes", Done: r.URL.Query().Get("done"), Burst: suspicion.BurstSize, MayAct: staff.HasAny(markingRole)}
	var err error
	if v.Suspicions, v.Searched, err = p.o.Service.Suspicions(r.Context(), v.Seen); err != nil {
		return err
	}
	asked := url.Values{}
	if v.Seen {
		asked.Set("seen", "yes")
	}
	v.Exports = exportLinks(pathSuspicions, asked)
	for i := range v.List {
		v.Rows = append(v.Rows, suspicionRowOf(&v.List[i]))
	}
	return p.render(w, r, http.StatusOK, "suspicions", frame{Title: "Подозрения", Here: pathSuspicions, Body: v})
}

func suspicionRowOf(s *models.Suspicion) suspicionRow {
	row := suspicionRow{
		Suspicion: *s, ID: hex.EncodeToString(s.Fingerprint[:]), Clients: len(s.Members()),
		Shown: s.Referrals[:min(len(s.Referrals), referralsShown)], More: max(0, len(s.Referrals)-referralsShown),
	}
	for _, sign := range s.Signs {
		switch sign {
		case models.SuspiciousRing, models.SuspiciousPayer, models.SuspiciousBurst:
			row.Title += "; " + finance.Words(sign)
		default:
			row.InCommon = append(row.InCommon, finance.Words(sign))
		}
	}
	if row.Title = strings.TrimPrefix(row.Title, "; "); row.Title == "" {
		row.Title = "Клиенты с общими реквизитами"
	}
	return row
}

// maxNote is the longest note, in letters.
const maxNote = 500

// markSeen records that the person has looked at a suspicion.
func (p *Pages) markSeen(w http.ResponseWriter, r *http.Request, staff models.Staff) error {
	digest, err := hex.DecodeString(r.PathValue("fingerprint"))
	if err != nil || len(digest) != len(models.Digest{}) {
		return errNotFound
	}
	if err := r.ParseForm(); err != nil {
		return errBadForm
	}
	note := strings.TrimSpace(r.PostForm.Get("note"))
	if note == "" {
		http.Redirect(w, r, pathSuspicions+"?done=no-note#s-"+r.PathValue("fingerprint"), http.StatusSeeOther)
		return nil
	}
	if utf8.RuneCountInString(note) > maxNote || !utf8.ValidString(note) || strings.ContainsRune(note, 0) {
		return errBadForm
	}
	found, err := p.o.Service.MarkSuspicionSeen(r.Context(), &staff, models.Digest(digest), note)
	if err != nil {
		return err
	}
	if !found {
		return errNotFound
	}
	http.Redirect(w, r, pathSuspicions+"?done=seen", http.StatusSeeOther)
	return nil
}
