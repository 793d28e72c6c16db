package descriptors_test

import (
	"fmt"
	"slices"
	"strings"

	ratelimitcommonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/ratelimit/descriptors"
)

// writer draws files of limits, most of them without fault. Its words are few, so that rules and requests meet.
type writer struct {
	t    *rapid.T
	text strings.Builder
	odd  bool // Also what makes no sense.
	// strict leaves out advisory limits.
	strict bool

	at    []entry   // Where it writes.
	paths [][]entry // Of the rules that have a limit.
}

// entry is the key and value of a rule.
type entry struct{ key, value string }

// rarely draws true once in n times.
func (w *writer) rarely(n int, what string) bool { return rapid.IntRange(1, n).Draw(w.t, what) == n }

func (w *writer) one(what string, of ...string) string { return rapid.SampledFrom(of).Draw(w.t, what) }

// odd values, each of which is something else to one reader of YAML or another.
func oddScalars() []string {
	return []string{
		"1.5", "yes", "0x10", "~", "null", `"null"`, "1e3", "010", "0b11", "1_000", ".inf", "2026-11-23", "on", "n", `''`, "[a]", "{key: a}", "[{key: a}]", "[]", "{}",
		"-1", "4294967296", "18446744073709551616", "9223372036854775808", "+7", "1:30", "!!str 5", `"5"`, "a: b", "*nobody", "'*'", "true", "|-\n          block", "[{strange: a}]", "[~]",
		"99999999999999999999999999", "1.", "._5", ".5", "-", "5e", "0o7", "-.inf", "NaN", ".nan", "NULL", "Yes", "nULL",
	}
}

func (w *writer) line(depth int, format string, args ...any) {
	w.text.WriteString(strings.Repeat("    ", depth) + fmt.Sprintf(format, args...) + "\n")
}

// scalar writes a key with a value, now and then with an odd one.
func (w *writer) scalar(depth int, key, value string) {
	if w.odd && w.rarely(120, "odd") {
		value = rapid.SampledFrom(oddScalars()).Draw(w.t, "odd value")
	}
	w.line(depth, "  %s: %s", key, value)
}

func (w *writer) file(domain string) string {
	if domain != "" || !w.odd {
		w.text.WriteString("domain: " + domain + "\n")
	}
	w.text.WriteString("descriptors:\n")
	w.rules(0)
	return w.text.String()
}

func (w *writer) rules(depth int) {
	seen := map[entry]bool{}
	for range rapid.IntRange(1, 6-depth).Draw(w.t, "rules") {
		e := entry{
			w.one("key", "user", "path", "addr", "pa*"),
			w.one("value", "", "", "a", "b", "ab", "abc", `"a*"`, `"ab*"`, `"*"`, "/files/*", "/files/a.pdf", "5", `"a_b"`),
		}
		if seen[e] && (!w.odd || !w.rarely(20, "twice")) {
			continue
		}
		seen[e] = true
		w.at = append(w.at, e)
		w.rule(depth, e.key, e.value)
		w.at = w.at[:len(w.at)-1]
	}
}

func (w *writer) rule(depth int, key, value string) {
	w.line(depth, "-")
	if !w.odd || !w.rarely(200, "no key") {
		w.scalar(depth, "key", key)
	}
	if value != "" {
		w.scalar(depth, "value", value)
	}
	shared := strings.HasSuffix(strings.Trim(value, `"`), "*") && w.rarely(2, "share") || w.odd && w.rarely(200, "share wrongly")
	for _, flag := range []string{"shadow_mode", "quota_mode", "detailed_metric", "value_to_metric"} {
		if w.rarely(4, flag) && (!w.strict || !strings.HasSuffix(flag, "_mode")) {
			w.scalar(depth, flag, w.one("flag", "true", "true", "false"))
		}
	}
	if shared {
		w.scalar(depth, "share_threshold", "true")
	}
	if w.odd && w.rarely(120, "stray") {
		w.scalar(depth, w.one("stray key", "unit", "name", "domain", "unlimited", "strange", "Key", "1", "true", `"value"`), "a")
	}
	if depth == 3 || !w.rarely(3, "no limit") {
		w.paths = append(w.paths, slices.Clone(w.at))
		w.limit(depth)
	}
	if depth < 3 && w.rarely(2, "nested") {
		w.line(depth, "  descriptors:")
		w.rules(depth + 1)
	}
}

func (w *writer) limit(depth int) {
	w.line(depth, "  rate_limit:")
	if w.rarely(6, "unlimited") {
		w.scalar(depth+1, "unlimited", "true")
		if w.odd && w.rarely(8, "unlimited with unit") {
			w.scalar(depth+1, "unit", w.one("unit", "second", "strange"))
		}
	} else {
		w.scalar(depth+1, "unit", w.one("unit", "second", "minute", "hour", "day", "Week", "MONTH", "year"))
		w.scalar(depth+1, "requests_per_unit", fmt.Sprint(rapid.IntRange(0, 6).Draw(w.t, "requests")))
	}
	if w.rarely(3, "name") {
		w.scalar(depth+1, "name", w.one("name", "alpha", "beta"))
	}
	if w.rarely(4, "replaces") {
		w.line(depth+1, "  replaces:")
		w.scalar(depth+1, "- name", w.one("replaced", "gamma", "delta"))
		if w.rarely(2, "replaces known") {
			w.scalar(depth+1, "- name", w.one("replaced", "alpha", "beta"))
		}
	}
}

// entries draws the entries of a descriptor: mostly such as a rule is for.
func (w *writer) entries() []*ratelimitcommonv3.RateLimitDescriptor_Entry {
	var all []*ratelimitcommonv3.RateLimitDescriptor_Entry
	add := func(key, value string) {
		all = append(all, &ratelimitcommonv3.RateLimitDescriptor_Entry{Key: key, Value: value})
	}
	values := []string{"", "a", "b", "ab", "abc", "abcd", "a*", "*", "/files/*", "/files/a.pdf", "/files/b", "5", "a_b", "c"}
	if len(w.paths) == 0 || w.rarely(4, "any entries") {
		for range rapid.IntRange(0, 4).Draw(w.t, "entries") {
			add(w.one("key", "user", "path", "addr", "pat", "other", "pa*"), w.one("value", values...))
		}
		return all
	}
	for _, e := range rapid.SampledFrom(w.paths).Draw(w.t, "path") {
		key, value := strings.ReplaceAll(e.key, "*", "t"), strings.Trim(e.value, `"`)
		if prefix, ok := strings.CutSuffix(value, "*"); ok {
			value = prefix + w.one("rest", "", "x", "y", "*")
		} else if value == "" {
			value = w.one("value", values...)
		}
		add(key, value)
	}
	return all
}

func fileOf(name, text string) descriptors.File {
	return descriptors.File{Name: name, Text: []byte(text)}
}
