// Package web is what people and machines see over HTTP. The admin address has
// metrics and health; it is for staff and monitoring, never for the internet.
package web
