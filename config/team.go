package config

import "github.com/gatehouse/gatehouse/gateway"

// What follows says to whom objects belong, and what other teams may do with them.

type grantFields struct {
	Team  string `yaml:"team" jsonschema:"required" doc:"The team."`
	Hosts []host `yaml:"hosts" order:"none" jsonschema:"required,minItems=1" doc:"The hosts that the team may have: exact names, *.suffix, or * for every host. A host or wildcard is granted where one of these covers all of it."`
	Bases []base `yaml:"bases" order:"none" jsonschema:"minItems=1" doc:"The bases that the team may have on these hosts, with everything below them: /pay grants /pay and /pay/cards, not /payments. Every base where not said."`
}

func grants(list []grantFields) []gateway.Grant {
	return each(list, func(g grantFields) gateway.Grant {
		return gateway.Grant{Team: g.Team, Hosts: texts(g.Hosts), Bases: texts(g.Bases)}
	})
}

type platformFields struct {
	Before []authorizationFields `yaml:"before" single:"true" by:"policy" doc:"Asked before the API's policies. The name alone will do."`
	After  []authorizationFields `yaml:"after" single:"true" by:"policy" doc:"Asked after them. The name alone will do."`
}
