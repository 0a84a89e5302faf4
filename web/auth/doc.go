// Package auth authenticates the users of a site, such as the personal account: people by
// OpenID Connect and sessions, programs by bearer tokens of the same issuer. The
// principal comes from a configured claim of a token that the provider signed, and from
// nowhere else. Every route has an access rule; a route without one is refused at
// start-up. A process may have several authenticators, each with a site of its own.
package auth
