// Package auth authenticates the clients of the personal account: people by OpenID
// Connect and sessions, programs by bearer tokens of the same issuer. The account comes
// from a configured claim of a token that the provider signed, and from nowhere else.
// Every route has an access rule; a route without one is refused at start-up.
package auth
