package descriptors

import (
	"encoding/binary"

	ratelimitcommonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
)

// A bucket's key is, each text with its length before it, so that no two lists of texts look alike:
//
//	0, unit, domain, then each entry's key and value
//
// No bucket of a Gatehouse with documents begins with 0, so that both may share a store. Where values count together the
// wildcard stands in the place of the value. The number of the limit is not in the key, so that an edit, and an override, keep what was
// spent.

// appendKey appends the key of a bucket. steps may be shorter than entries: an override needs no rules.
func appendKey(key []byte, domain string, unit Unit, entries []*ratelimitcommonv3.RateLimitDescriptor_Entry, steps []step) []byte {
	key = append(key, 0, byte(unit))
	key = appendText(key, domain)
	for i, e := range entries {
		key = appendText(key, e.GetKey())
		if i < len(steps) && steps[i].rule != nil && steps[i].rule.pattern != "" {
			key = appendText(key, steps[i].rule.pattern)
			continue
		}
		key = appendText(key, e.GetValue())
	}
	return key
}

func appendText(key []byte, text string) []byte {
	return append(binary.AppendUvarint(key, uint64(len(text))), text...)
}

// appendSeries appends the name of the series that a request counts in, where it is not its rule's: that of an override or of
// a detailed limit has all keys and values, that of a rule with value_to_metric the values that the rules do not name.
func appendSeries(name []byte, domain string, entries []*ratelimitcommonv3.RateLimitDescriptor_Entry, steps []step, whole bool) []byte {
	name = append(name, domain...)
	for i, e := range entries {
		name = append(name, separator...)
		var r *rule
		if i < len(steps) {
			r = steps[i].rule
		}
		switch {
		case r != nil && r.pattern != "":
			name = append(name, r.label...)
		case whole || r != nil && r.named:
			name = append(name, e.GetKey()...)
			if e.GetValue() != "" {
				name = append(append(name, '_'), e.GetValue()...)
			}
		case r != nil:
			name = append(name, r.label...)
		}
	}
	return name
}

// names reports whether a value of the request is in the name of the series.
func names(steps []step) bool {
	for _, s := range steps {
		if s.rule != nil && s.rule.named {
			return true
		}
	}
	return false
}
