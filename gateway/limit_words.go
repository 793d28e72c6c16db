package gateway

import (
	"fmt"
	"strings"
	"time"
)

// String returns what the window admits, in words: "5 per 1m", "100 per 1s and 20 at once", "10000 per month".
func (w Window) String() string {
	text := fmt.Sprintf("%d per ", w.Limit)
	if w.Arithmetic != Quota {
		text += shortDuration(w.Per)
	} else {
		text += string(w.Every)
		if w.Anchor > 1 {
			text += fmt.Sprintf(" from day %d", w.Anchor)
		}
		if w.Zone != "" {
			text += " in " + w.Zone
		}
	}
	switch w.Arithmetic {
	case Paced:
		text += fmt.Sprintf(" and %d at once", w.Burst)
	case Tokens:
		text += fmt.Sprintf(" into a bucket of %d", w.Burst)
	case Fixed:
		text += ", fixed"
	case Sliding, Quota:
	}
	return text
}

// shortDuration is a duration without parts that are zero: 1m, not 1m0s.
func shortDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// ID names the limit among all of a configuration: whose requests it counts, and its name. A Limit document is "limit/NAME".
func (l *Limit) ID() string {
	if l.Scope == "limit/"+l.Name {
		return l.Scope
	}
	return l.Scope + "/" + l.Name
}
