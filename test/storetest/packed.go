package storetest

import "fmt"

// Items is an SQL expression: adjustments.items with another amount of the item of a
// line, for tests that tamper with the ledger. amount may name the amount it has.
func Items(line, amount string) string {
	item := fmt.Sprintf(`((?:^|\n)%s\t[^\t]*\t)`, line)
	return fmt.Sprintf(`regexp_replace(items, E'%s[-0-9]+', E'\\1' || (SELECT %s FROM (SELECT (regexp_match(items, E'%s([-0-9]+)'))[2]::bigint AS amount) item))`,
		item, amount, item)
}
