package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"referral/billing"
	"referral/models"
)

// SignatureText writes that a period was closed, and what was signed.
func SignatureText(w io.Writer, s *models.Signature) {
	fmt.Fprintf(w, "period %s is closed, signed by %s on %s\n", s.Period, s.Who, s.At.Format(time.RFC3339))
	_, overall := billing.SignedLines(s)
	for _, l := range overall {
		if l.Currency == "" {
			fmt.Fprintf(w, "signed: SMS packages posted: %s\n", Count(l.Posted.Count))
		} else {
			fmt.Fprintf(w, "signed: discounts posted %s %s, on %s\n", l.Posted.Amount, l.Currency, Quantity(l.Posted.Count, "line"))
		}
	}
	if s.Override != "" {
		fmt.Fprintf(w, "overridden: %s; against: %s\n", s.Override, strings.Join(s.Objections, "; "))
	}
}
