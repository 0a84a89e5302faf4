// Package door says who is at the door of the personal account: OpenID Connect
// for people, bearer tokens of the same issuer for programs. The account comes
// from a configured claim of what the provider signed, and from nowhere else.
// Every route has a rule; one without is refused when the routes are put together.
package door
