package ratelimit

import (
	"slices"
	"strings"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/ratelimit/limiter"
)

// nearPart is how much of a limit remains, as one part of so many, where somebody is near it: a fifth.
const nearPart = 5

// limit is one limit of one route, ready to be charged. Nothing changes it but what counts.
type limit struct {
	route        *rules
	scope        string
	name         string
	parts        []string // Of its key, as in documents, in order.
	entries      []entry  // The descriptor's entries for them.
	windows      []window
	written      []gateway.Window
	limitCost    gateway.Cost
	late         bool // It may cost more when the stream ends than is known when the request comes.
	deposit      bool // It costs what the response is: 1 when the request comes, the rest when the stream ends.
	mode         gateway.Mode
	always       bool // Spent also where something else refuses.
	when         *gateway.LimitWhen
	storeAway    gateway.StoreAway
	timeout      time.Duration // 0: the service's.
	lease        int64
	policy       string              // Its items of RateLimit-Policy.
	policyHeader *corev3.HeaderValue // The same, shared by all responses.
	counter      *counter
	reached      *structpb.Struct // What an answer tells the access log where this is the first limit that is reached.
	shadow       *structpb.Struct // The same where it would have refused.
}

// window is one window of a limit.
type window struct {
	limiter.Window
	prefix []byte                             // What its buckets' keys begin with.
	answer *rlsv3.RateLimitResponse_RateLimit // Shared by all responses.
	most   int64                              // What remains of a bucket from which nothing was spent.
	item   string                             // How its item of RateLimit begins.
	told   string                             // How x-ratelimit-limit says it.
}

// compileLimit makes a limit of a route ready.
func (t *Table) compileLimit(route *rules, r *gateway.Route, l gateway.Limit) *limit {
	c := &limit{
		route: route, scope: l.Scope, name: l.Name, parts: l.Key, entries: entriesOf(l.Key), written: l.Windows, limitCost: l.Cost,
		late: l.Cost.Late(), deposit: strings.HasPrefix(l.Cost.From, "response."), mode: l.Mode, always: l.SpendRefused, when: l.When,
		storeAway: l.StoreAway, timeout: l.StoreTimeout, lease: l.Lease, counter: t.counter(labelOf(r, l)),
		reached: evidenceOf(envoy.MetadataRateLimitRules, r.Rules, envoy.MetadataRateLimitLimit, l.Name),
		shadow:  evidenceOf(envoy.MetadataRateLimitRules, r.Rules, envoy.MetadataRateLimitShadow, l.Name),
	}
	if c.limitCost.From == "" {
		c.limitCost.Number = max(c.limitCost.Number, 1)
	}
	for _, w := range l.Windows {
		own := window{Window: arithmeticOf(w), prefix: keyPrefix(l, w), answer: answerLimit(l.Name, w)}
		own.most = own.Most()
		name := policyName(l, w)
		own.item, own.told = name+";r=", xPolicy(l, w)
		if c.policy != "" {
			c.policy += ", "
		}
		c.policy += policyItem(name, l, w)
		c.windows = append(c.windows, own)
	}
	c.policyHeader = newPolicyHeader(c.policy)
	return c
}

// metadata returns what an answer tells the access log, keys and values in turn.
func evidenceOf(texts ...string) *structpb.Struct {
	m := &structpb.Struct{Fields: map[string]*structpb.Value{}}
	for pair := range slices.Chunk(texts, 2) {
		m.Fields[pair[0]] = structpb.NewStringValue(pair[1])
	}
	return m
}

// arithmeticOf returns how a window counts.
func arithmeticOf(w gateway.Window) limiter.Window {
	out := limiter.Window{Limit: w.Limit, Per: w.Per, Burst: w.Burst}
	switch w.Arithmetic {
	case gateway.Paced:
		out.Kind = limiter.Paced
	case gateway.Fixed:
		out.Kind = limiter.Fixed
	case gateway.Tokens:
		out.Kind = limiter.Tokens
	case gateway.Quota:
		out.Kind = limiter.Quota
		out.Calendar = &limiter.Calendar{Every: periodOf(w.Every), Anchor: w.Anchor}
		if zone, err := time.LoadLocation(w.Zone); err == nil { // Else a fault.
			out.Calendar.Zone = zone
		}
	case gateway.Sliding:
	}
	return out
}

func periodOf(p gateway.Period) limiter.Period {
	switch p {
	case gateway.Weekly:
		return limiter.Week
	case gateway.Monthly:
		return limiter.Month
	case gateway.Daily:
	}
	return limiter.Day
}

// entry is how Envoy sends a part of a limit's key.
type entry struct {
	key  string
	kind entryKind
	name string // Of a parameter of the path.
}

type entryKind uint8

const (
	plain    entryKind = iota
	path               // By the target of the request, from which the parameter is taken.
	consumer           // After its issuer.
)

func entriesOf(key []string) []entry {
	entries := make([]entry, len(key))
	for i, part := range key {
		entries[i].key = part
		name, isPath := strings.CutPrefix(part, gateway.KeyPath)
		switch {
		case part == gateway.KeyAddress:
			entries[i].key = envoy.DescriptorAddress
		case part == gateway.KeyConsumer:
			entries[i].kind = consumer
		case isPath:
			entries[i] = entry{envoy.DescriptorTarget, path, name}
		}
	}
	return entries
}
