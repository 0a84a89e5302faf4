// Package api is the JSON API of the personal account: [portal.Service] for
// other programs. Its OpenAPI document is made from the types below and kept in
// openapi.yaml, which a test compares.
package api
