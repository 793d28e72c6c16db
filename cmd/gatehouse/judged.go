package main

import "github.com/gatehouse/gatehouse/gateway"

// judged says who judges a policy of a route, and why.
func judged(j gateway.Judgement) string {
	text := j.Policy
	if j.Mode == gateway.Shadow {
		text += ", in shadow mode,"
	}
	switch j.By {
	case gateway.ByEnvoy:
		text += " is judged by Envoy"
	case gateway.ByGatehouse:
		text += " is judged by Gatehouse"
	default:
		text += " is judged by nobody"
	}
	if j.Why == "" {
		return text
	}
	return text + ": " + j.Why
}
