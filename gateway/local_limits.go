package gateway

// LocalLimits returns the limits of a route that each Envoy counts whole, before callers are asked who they are.
func (r *Route) LocalLimits() []Limit {
	var out []Limit
	for _, l := range r.Limits {
		if l.Enforce == Local && r.Action == ActionForward {
			out = append(out, l)
		}
	}
	return out
}
