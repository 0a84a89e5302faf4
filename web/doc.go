// Package web is the admin address: metrics, health and readiness. It is for staff and
// monitoring, and must not be reachable from the internet.
package web
