// Package store keeps the programme in PostgreSQL. It is the only place that
// knows GORM and SQL, and it knows no rule: each exported verb is one
// transaction, and where a rule is needed inside it, the caller hands it in as a
// pure function.
package store
