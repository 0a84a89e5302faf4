package fakeoidc

import (
	"bytes"
	"context"
	_ "embed"
	"html/template"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/op"
)

const (
	signInPath = "/sign-in"
	stylePath  = "/sign-in.css"
)

// pages is the page on which a person chooses a client.
type pages struct {
	storage  *storage
	callback func(context.Context, string) string
}

//go:embed sign-in.html
var signInText string

//go:embed sign-in.css
var signInStyle []byte

var signInPage = template.Must(template.New("sign-in").Parse(signInText))

type signIn struct {
	ID      string
	Clients []Client
	Typed   string
	Wrong   bool
}

func (p *pages) show(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get("id")
	if _, err := p.storage.request(id); err != nil {
		http.Error(w, "Этот вход начат слишком давно. Вернитесь в личный кабинет и начните заново.", http.StatusNotFound)
		return
	}
	p.render(w, r, http.StatusOK, signIn{ID: id})
}

func (p *pages) render(w http.ResponseWriter, r *http.Request, status int, s signIn) {
	if offer := p.storage.p.o.Offer; offer != nil {
		clients, err := offer(r.Context())
		if err != nil { // the field for a number does without
			clients = nil
		}
		s.Clients = clients
	}
	var page bytes.Buffer
	if err := signInPage.Execute(&page, s); err != nil {
		panic(err) // the template is fixed, and a buffer takes everything
	}
	p.secure(w)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(page.Bytes()) // an error here is a client that has gone away
}

// secure lets the form lead back to where the sign-in was begun, and nowhere else.
func (p *pages) secure(w http.ResponseWriter) {
	back := []string{"'self'"}
	for _, text := range p.storage.p.o.RedirectURIs {
		if u, err := url.Parse(text); err == nil {
			back = append(back, u.Scheme+"://"+u.Host)
		}
	}
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action "+strings.Join(back, " "))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
}

var accountNumber = regexp.MustCompile(`^[1-9][0-9]{0,17}$`)

func (p *pages) choose(w http.ResponseWriter, r *http.Request) {
	id, typed := r.PostFormValue("id"), strings.TrimSpace(r.PostFormValue("account"))
	account, err := strconv.ParseInt(typed, 10, 64)
	if err != nil || !accountNumber.MatchString(typed) {
		p.render(w, r, http.StatusUnprocessableEntity, signIn{ID: id, Typed: typed, Wrong: true})
		return
	}
	if err := p.storage.signIn(id, account); err != nil {
		http.Error(w, "Этот вход начат слишком давно. Вернитесь в личный кабинет и начните заново.", http.StatusNotFound)
		return
	}
	ctx := op.ContextWithIssuer(r.Context(), p.storage.p.issuer)
	http.Redirect(w, r, p.callback(ctx, id), http.StatusSeeOther)
}

func (p *pages) style(w http.ResponseWriter, _ *http.Request) {
	p.secure(w)
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	_, _ = w.Write(signInStyle)
}
