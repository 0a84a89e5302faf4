// Package cabinet is the personal account: what a client sees and does in the
// referral programme. [Desk] is what it can do; the pages under /referral and the
// JSON under /api/v1 are two ways to the same desk. Who the client is, is for
// package door to say, and never for a request.
package cabinet
