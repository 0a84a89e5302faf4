// Package chart draws the bar charts of the pages as SVG, on the server. Colours come
// from the style sheets of the pages, by class.
package chart

import (
	"fmt"
	"html/template"
	"slices"
	"strings"

	"referral/models"
)

// Part is a part of a bar. Sizes are percent of the highest bar.
type Part struct {
	Class string // of the rectangle
	Size  int
	From  int // where it begins, from the base of the bar
}

// Bar stacks amounts on one another, from the base: classes has the class of each. A part
// that is not 0 can be seen. Amounts are not negative.
func Bar(highest models.Money, classes []string, amounts ...models.Money) []Part {
	parts := make([]Part, len(amounts))
	from := 0
	for i, amount := range amounts {
		parts[i] = Part{Class: classes[i], Size: size(amount, highest), From: from}
		from += parts[i].Size
	}
	return parts
}

func size(amount, highest models.Money) int {
	if amount == 0 || highest == 0 {
		return 0
	}
	return max(1, int(float64(amount)/float64(highest)*100))
}

// Upright is a bar that stands, for wide screens; Flat one that lies, for narrow ones.
// Neither is read out: the amount stands beside it as text.
func Upright(parts []Part) template.HTML {
	return drawing("upright", "0 0 10 100", parts, func(p Part) (x, y, width, height int) { return 0, 100 - p.From - p.Size, 10, p.Size })
}

// Flat is a bar that lies.
func Flat(parts []Part) template.HTML {
	return drawing("flat", "0 0 100 10", parts, func(p Part) (x, y, width, height int) { return p.From, 0, p.Size, 10 })
}

func drawing(class, box string, parts []Part, place func(Part) (x, y, width, height int)) template.HTML {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="%s" viewBox="%s" preserveAspectRatio="none" aria-hidden="true" focusable="false">`, class, box)
	for _, part := range slices.Backward(parts) { // the outline of a part lies below the part before it
		x, y, width, height := place(part)
		fmt.Fprintf(&b, `<rect class="%s" x="%d" y="%d" width="%d" height="%d"/>`, template.HTMLEscapeString(part.Class), x, y, width, height)
	}
	b.WriteString("</svg>")
	return template.HTML(b.String()) //nolint:gosec // numbers, and classes that are escaped
}
