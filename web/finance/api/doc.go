// Package api is the JSON API of the staff: [finance.Service] for other programs. Its
// OpenAPI document is generated from the types of this package; a test compares it with
// openapi-finance.yaml.
package api
