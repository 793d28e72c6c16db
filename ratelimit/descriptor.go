package ratelimit

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"

	ratelimitcommonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// read makes the charges of a request. An error says what was not understood; no value of a key is in it, as it may be a secret.
func (w *work) read(tables tables, who asker, req *rlsv3.RateLimitRequest) error {
	if req.GetDomain() != envoy.RateLimitDomain {
		return fmt.Errorf("domain %.64q is not %q", req.GetDomain(), envoy.RateLimitDomain)
	}
	if n := len(req.GetDescriptors()); n == 0 || n > maxLimits {
		return fmt.Errorf("%d descriptors, where 1 to %d are answered", n, maxLimits)
	}
	for _, d := range req.GetDescriptors() {
		entries := d.GetEntries()
		if len(entries) < 2 || entries[0].GetKey() != envoy.DescriptorRules || entries[1].GetKey() != envoy.DescriptorLimit {
			return fmt.Errorf("a descriptor that does not begin with %q and %q", envoy.DescriptorRules, envoy.DescriptorLimit)
		}
		rules, ok := tables.find(entries[0].GetValue(), who)
		if !ok {
			return fmt.Errorf("rules %.64q are unknown", entries[0].GetValue())
		}
		l := rules.named(entries[1].GetValue())
		if l == nil {
			return fmt.Errorf("rules %q have no limit %.64q", entries[0].GetValue(), entries[1].GetValue())
		}
		if err := w.descriptor(l, entries[2:], hits(req, d)); err != nil {
			return err
		}
	}
	return nil
}

// descriptor adds the charges of a limit, from the entries behind its name (envoy.DescriptorRules).
func (w *work) descriptor(l *limit, entries []*ratelimitcommonv3.RateLimitDescriptor_Entry, hits int64) error {
	w.begin(l)
	rest := descriptorEntries(entries)
	rest.passOver(envoy.DescriptorWhen)
	if bucket, ends := rest.take(envoy.DescriptorBucket); ends {
		return w.ends(l, bucket, rest, hits)
	}
	text, there := rest.take(envoy.DescriptorCost)
	if values, passedOn := rest.take(envoy.DescriptorValues); passedOn {
		decoded, err := base64.StdEncoding.DecodeString(values)
		if err != nil {
			return fmt.Errorf("the values of the key of limit %q: %w", l.name, err)
		}
		w.keys = append(w.keys, decoded...)
	} else {
		w.values(l, &rest)
	}
	if len(rest) > 0 {
		return fmt.Errorf("limit %q has no %.64q in its key at that place", l.name, rest[0].GetKey())
	}
	cost, ok := l.price(text, there)
	w.asked[len(w.asked)-1].unpriced = !ok
	w.charge(times(hits, cost))
	return nil
}

// ends adds the charges of a limit for a stream that has ended.
func (w *work) ends(l *limit, bucket string, rest descriptorEntries, hits int64) error {
	rest.passOver(envoy.DescriptorWhen)
	text, _ := rest.take(envoy.DescriptorCost)
	decoded, err := base64.StdEncoding.DecodeString(bucket)
	if err != nil || len(decoded) != sealedBytes || !l.late || len(rest) > 0 {
		return fmt.Errorf("limit %q knows no such bucket of a stream that has ended", l.name)
	}
	w.keys = append(w.keys, decoded...)
	a := &w.asked[len(w.asked)-1]
	cost, ok := l.latePrice(text)
	a.done, a.unpriced = true, !ok
	w.charge(times(hits, cost))
	return nil
}

// values appends the values of a limit's key, in the order of its parts; one that the request lacks is left out of the descriptor.
func (w *work) values(l *limit, rest *descriptorEntries) {
	var parameters map[string]string
	for i := range l.entries {
		e := &l.entries[i]
		var value string
		var ok bool
		switch e.kind {
		case consumer:
			issuer, _ := rest.take(envoy.DescriptorIssuer)
			if value, ok = rest.take(e.key); ok {
				value = gateway.ConsumerKey(issuer, value)
			}
		case path:
			if target, there := rest.take(e.key); there {
				target, _, _ = strings.Cut(target, "?")
				parameters, _ = l.route.path.Parameters(target)
			}
			value, ok = parameters[e.name]
			value = unescaped(value)
		case plain:
			value, ok = rest.take(e.key)
		}
		if ok {
			w.keys = appendValue(w.keys, value)
		} else {
			w.keys = appendAbsent(w.keys)
		}
	}
	w.seal(l)
}

// unescaped returns a parameter of a path without percent-encoding, so that nobody escapes a limit by another spelling.
func unescaped(value string) string {
	if decoded, err := url.PathUnescape(value); err == nil {
		return decoded
	}
	return value
}

// descriptorEntries are entries of a descriptor that are still to be read.
type descriptorEntries []*ratelimitcommonv3.RateLimitDescriptor_Entry

// take returns the value of the next entry if that has the key.
func (d *descriptorEntries) take(key string) (value string, ok bool) {
	if len(*d) == 0 || (*d)[0].GetKey() != key {
		return "", false
	}
	value, *d = (*d)[0].GetValue(), (*d)[1:]
	return value, true
}

func (d *descriptorEntries) passOver(key string) {
	for len(*d) > 0 && (*d)[0].GetKey() == key {
		*d = (*d)[1:]
	}
}
