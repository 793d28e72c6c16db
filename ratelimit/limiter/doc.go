// Package limiter is the arithmetic of limits: pure functions over state values, with the time handed in.
//
// In: a Window (what is allowed), a State (what was spent), the present time and a cost. Out: whether that may be spent, how
// much remains and how long to wait. It holds no lock, reads no clock and knows neither keys nor requests; a store does.
//
// A Window keeps one promise without exception: in no half-open interval of length Per is more than Limit admitted. To keep
// it in little memory a State remembers at most Entries moments of spending. Up to a Limit of Entries each moment is
// remembered exactly. Above that, moments of the same slot (Per is divided into Slots of them) are remembered together, at
// the latest of them: what was spent may count for up to one slot longer than Per, so a request may be refused early, by at
// most Per/Slots (3.3 %), and is never admitted late. Window.Slack is that bound.
package limiter
