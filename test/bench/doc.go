// Package bench measures the program against baselines taken in the same run:
// `make bench`. Nothing here is asserted by the clock; docs/performance.md says
// what was found.
package bench
