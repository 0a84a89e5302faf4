// Package imports has no code of its own: its test holds the floor plan
// (docs/architecture.md), that is which package may import which, and a few
// rules that hold for the whole tree.
package imports
