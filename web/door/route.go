package door

import (
	"context"
	"fmt"
	"net/http"
)

// Rule says who may come in by a route.
type Rule string

// The rules.
const (
	Anyone     Rule = "anyone"      // who it is does not matter, and is not asked
	ClientPage Rule = "client-page" // a signed-in client; others are sent to sign in
	ClientAPI  Rule = "client-api"  // a signed-in client or a bearer token; others get 401
)

// Route is one way into the personal account. Pattern is as http.ServeMux wants
// it, with the method.
type Route struct {
	Pattern string
	Rule    Rule
	Handler http.Handler
}

// Validate finds a route without a rule or a handler.
func (r Route) Validate() error {
	switch r.Rule {
	case Anyone, ClientPage, ClientAPI:
	default:
		return fmt.Errorf("door: route %q has no rule that says who may come in (%q)", r.Pattern, r.Rule)
	}
	if r.Pattern == "" || r.Handler == nil {
		return fmt.Errorf("door: route %q needs a pattern and a handler", r.Pattern)
	}
	return nil
}

// Visitor is who is at the door.
type Visitor struct {
	AccountID int64
	Bearer    bool // came with a token instead of a session
}

type visitorKey struct{}

// WithVisitor is a context that knows who asks.
func WithVisitor(ctx context.Context, v Visitor) context.Context {
	return context.WithValue(ctx, visitorKey{}, v)
}

// VisitorOf is who asks. It is there in every handler behind a client's rule; ok
// is false elsewhere.
func VisitorOf(ctx context.Context) (v Visitor, ok bool) {
	v, ok = ctx.Value(visitorKey{}).(Visitor)
	return v, ok
}
