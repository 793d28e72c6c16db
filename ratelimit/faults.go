package ratelimit

import (
	"fmt"
	"time"

	"github.com/gatehouse/gatehouse/gateway"
)

const (
	maxLimits  = 64                   // Of one route, and so descriptors of one request.
	maxKey     = 16                   // Parts of one limit's key.
	maxWindows = 8                    // Of one limit.
	maxPer     = 366 * 24 * time.Hour // Longest window.
	maxCharges = 128                  // Windows of one route's limits together.
	maxLimit   = 1 << 48              // As much as every store can tell apart.
)

// check finds what the arithmetic and Envoy's protocol cannot express.
func check(rev *gateway.Revision, r *gateway.Route) gateway.Faults {
	var faults gateway.Faults
	fault := func(l gateway.Limit, format string, args ...any) {
		f := gateway.Fault{
			Code: gateway.CodeBadValue, Place: r.Origin, Field: "limits", Object: r.Object,
			Message: fmt.Sprintf(format, args...),
		}
		for _, api := range rev.APIs {
			if api.Ref() != r.Object {
				continue
			}
			f.Team = api.Team
			if l.Scope != r.Name { // The API's own limit, not to be reported once for each operation.
				f.Place = api.Origin.At("limits")
			}
		}
		faults = append(faults, f)
	}
	if len(r.Limits) > maxLimits {
		fault(r.Limits[0], "%d limits on one operation are more than the %d that are looked at: leave some out", len(r.Limits), maxLimits)
	}
	windows := 0
	for _, l := range r.Limits {
		windows += len(l.Windows)
	}
	if windows > maxCharges {
		fault(r.Limits[0], "the limits on one operation have %d windows, more than the %d that are counted at once: leave some out", windows, maxCharges)
	}
	for _, l := range r.Limits {
		if len(l.Key) > maxKey {
			fault(l, "the key of the limit %q has %d parts: at most %d are allowed", l.Name, len(l.Key), maxKey)
		}
		if n := len(l.Windows); n < 1 || n > maxWindows {
			fault(l, "the limit %q has %d windows: write 1 to %d", l.Name, n, maxWindows)
		}
		for i, w := range l.Windows {
			if wrong := wrongWindow(w); wrong != "" {
				fault(l, "the limit %q %s", l.Name, wrong)
			}
			for _, other := range l.Windows[:i] {
				if other.Arithmetic == w.Arithmetic && other.Per == w.Per && other.Every == w.Every {
					fault(l, "the limit %q has two windows of the same arithmetic and length, which would share what is spent: leave out one", l.Name)
				}
			}
		}
	}
	return faults
}

// wrongWindow says what cannot be counted of a window, empty where nothing.
func wrongWindow(w gateway.Window) string {
	switch _, zone := time.LoadLocation(w.Zone); {
	case w.Limit < 1 || w.Limit > maxLimit:
		return fmt.Sprintf("allows %d: write a number from 1 to %d", w.Limit, maxLimit)
	case w.Burst < 0 || w.Burst > maxLimit:
		return fmt.Sprintf("has a burst of %d: write a number from 1 to %d", w.Burst, maxLimit)
	case w.Arithmetic == gateway.Quota && w.Every == "":
		return "has no period: write day, week or month"
	case w.Arithmetic == gateway.Quota && zone != nil:
		return fmt.Sprintf("counts in the time zone %q, which nobody knows here: write a name of the IANA time zone database", w.Zone)
	case w.Arithmetic != gateway.Quota && (w.Per < time.Second || w.Per > maxPer):
		return fmt.Sprintf("counts per %s: write a duration from 1s to %dh", w.Per, maxPer/time.Hour)
	}
	return ""
}
