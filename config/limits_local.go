package config

import (
	"slices"
	"strings"
	"time"

	"github.com/gatehouse/gatehouse/gateway"
)

// maxLocalKey bounds the parts of a key: an Envoy has a kind of bucket for each choice of those that a request may lack.
const maxLocalKey = 3

// checkLocal finds what an Envoy cannot count by itself before it knows who calls.
func (f *limitingFields) checkLocal(o *object, l *gateway.Limit, at string) {
	known := func(part string) bool {
		return part == gateway.KeyAddress || strings.HasPrefix(part, gateway.KeyHeader) || strings.HasPrefix(part, gateway.KeyQuery)
	}
	if i := slices.IndexFunc(l.Key, func(part string) bool { return !known(part) }); i >= 0 {
		o.fault(gateway.CodeLocalLimit, join(at, "key"), "a local limit counts before callers are known, so %s cannot be its key: count by client.address, a header or a query parameter, or remove enforce", l.Key[i])
	}
	if len(l.Key) > maxLocalKey {
		o.fault(gateway.CodeLocalLimit, join(at, "key"), "a local limit counts by at most %d things together: leave some out", maxLocalKey)
	}
	kept := countedByGatehouse(l)
	if l.Windows[0].Per%time.Second != 0 && !slices.Contains(kept, "per") {
		kept = append(kept, "per")
	}
	for _, field := range kept {
		o.fault(gateway.CodeLocalLimit, join(at, field), "an Envoy that counts by itself has a bucket of tokens for each key, and cannot hold to this %s: remove it, or enforce", field)
	}
}
