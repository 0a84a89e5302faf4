// Package imports has no code of its own. Its tests hold the rules for the whole tree
// that the linters cannot: which package may import which by way of a third one
// (docs/architecture.md, "Imports"), and that documents which are named exist.
package imports
