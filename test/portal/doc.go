// Package portal holds the tests of the personal account's service and JSON API on a
// real PostgreSQL: behind the rules and the storage at once, where neither of the
// two could test it alone.
package portal
