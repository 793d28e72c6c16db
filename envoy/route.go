package envoy

import "strings"

// rulesMark stands in a route's name on an Envoy before the hash of its rules, in which it does not occur.
const rulesMark = "@"

// RouteName returns the name that a route has on an Envoy: its own and the hash of its rules, where it has some. Each access
// log entry repeats it, so that a route needs no metadata to be known by: Envoy spends more on a route's metadata than on its
// match.
func RouteName(name, rules string) string {
	if rules == "" {
		return name
	}
	return name + rulesMark + rules
}

// ReadRouteName takes apart what RouteName put together. The rules of a name without any are empty.
func ReadRouteName(text string) (name, rules string) {
	at := strings.LastIndex(text, rulesMark)
	if at < 0 {
		return text, ""
	}
	return text[:at], text[at+len(rulesMark):]
}
