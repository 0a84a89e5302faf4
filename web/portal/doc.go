// Package portal is the client's personal account: what a client sees and does in
// the referral programme. [Service] is its operations; the pages under /referral and
// the JSON API under /api/v1 both use it. The account always comes from package
// auth, never from a request.
package portal

// BasePath is the path of the home page; all pages are under it.
const BasePath = "/referral"
