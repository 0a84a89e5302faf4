package browser

import (
	_ "embed"
	"strings"
)

// finder is an expression whose value finds things on a page by what a person
// would call them.
//
//go:embed finder.js
var finderSource string

var finder = strings.TrimSpace(finderSource)
