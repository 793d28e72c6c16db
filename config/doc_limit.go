package config

import "github.com/gatehouse/gatehouse/gateway"

type sharedLimitDocument struct {
	header         `yaml:",inline"`
	limitingFields `yaml:",inline"`
	Shared         bool `yaml:"shared" jsonschema:"default=false" doc:"Whether APIs of other teams may name it. What has no team is free to all."`
}

func (d *sharedLimitDocument) add(o *object, docs *gateway.Documents) {
	l := &gateway.SharedLimit{Limit: d.limit(o, string(d.Name), ""), Team: d.Team, Shared: d.Shared, Origin: o.origin()}
	if o.sound(docs) {
		docs.Limits = append(docs.Limits, l)
	}
}

func (d *sharedLimitDocument) lengthen() { d.limitingFields.lengthen() }
