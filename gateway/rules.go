package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
)

// hashLength is the number of bytes of a content hash: 128 bits, so that no two of a billion routes share one by chance.
const hashLength = 16

// ContentHash returns the hash of a value's JSON form, as hex digits. Maps are hashed in key order. Values that JSON cannot
// express do not occur in the model.
func ContentHash(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		text = []byte(err.Error())
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:hashLength])
}

// hasher remembers the hashes of what many routes share, so that a policy's text is read once.
type hasher struct {
	issuers  map[*Issuer]string
	policies map[*Policy]string
}

func newHasher() *hasher {
	return &hasher{issuers: map[*Issuer]string{}, policies: map[*Policy]string{}}
}

func memo[T any](known map[*T]string, v *T, hash func(*T) string) string {
	h, ok := known[v]
	if !ok {
		h = hash(v)
		known[v] = h
	}
	return h
}

// ruled is what the rules hash of a route covers. Never the revision's id: an unchanged route keeps its hash.
type ruled struct {
	Gateway, API, Version, Operation string
	Action                           Action
	Hosts                            []string
	Base, Path                       string
	Match                            string
	Public                           bool
	Ways                             [][]ruledProof
	ContractScopes                   [][]string    `json:",omitempty"`
	Require                          []Requirement `json:",omitempty"`
	Decisions                        Recorded      `json:",omitempty"`
	Policies                         []ruledPolicy
	Limits                           []Limit
	LimitHeaders                     LimitHeaders  `json:",omitempty"`
	Addresses                        *AddressLists `json:",omitempty"`
	WhenAway                         WhenAway
	Timeouts                         Timeouts
}

type ruledPolicy struct {
	Policy     string
	Parameters map[string]any
	Platform   bool    `json:",omitempty"`
	Mode       Mode    `json:",omitempty"`
	Percent    float64 `json:",omitempty"`
}

// ruledProof is a proof, with the hash of its Issuer's settings in place of the Issuer.
type ruledProof struct {
	ResolvedProof
	Issuer string `json:",omitempty"`
}

// rules returns the rules hash of a route.
func (h *hasher) rules(r *Route) string {
	v := ruled{
		Gateway: r.Gateway.Name, API: r.API, Version: r.Version, Operation: r.Operation, Action: r.Action,
		Hosts: slices.Sorted(slices.Values(r.Hosts)), Base: r.Base, Path: r.Match.Path.String(), Match: r.Match.key(),
		Public: r.Public, ContractScopes: r.ContractScopes, Require: r.Require, Decisions: r.Decisions, Limits: r.Limits, WhenAway: r.WhenAway, Timeouts: r.Timeouts,
		Addresses: r.Shaping.Addresses,
	}
	if len(r.Limits) > 0 {
		v.LimitHeaders = r.Gateway.LimitHeaders
	}
	for _, way := range r.Ways {
		proofs := make([]ruledProof, len(way))
		for i, p := range way {
			proofs[i].ResolvedProof = p
			if p.Issuer != nil {
				proofs[i].Issuer = memo(h.issuers, p.Issuer, func(i *Issuer) string { return ContentHash(i.Settings()) })
			}
		}
		v.Ways = append(v.Ways, proofs)
	}
	for _, p := range r.Authorize {
		v.Policies = append(v.Policies, ruledPolicy{Policy: memo(h.policies, p.Policy, func(p *Policy) string { return ContentHash(p) }), Parameters: p.Parameters, Platform: p.Platform, Mode: p.Mode, Percent: p.Percent})
	}
	return ContentHash(v)
}
