package config

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/invopop/jsonschema"

	"github.com/gatehouse/gatehouse/gateway"
)

type healthFields struct {
	Check     string        `yaml:"check" jsonschema:"enum=http,enum=grpc,enum=tcp,default=http" doc:"How an endpoint is asked: by a GET request, by grpc.health.v1, or by a connection."`
	Path      urlPath       `yaml:"path" doc:"The path of the GET request. For http it must be written."`
	Host      host          `yaml:"host" doc:"The host of the request, for http and grpc. The Upstream's name where not said."`
	Statuses  []statusRange `yaml:"statuses" order:"none" jsonschema:"minItems=1" doc:"The statuses that are healthy, for http: each as 200 or 200-299, in quotes. 200 where not said."`
	Service   string        `yaml:"service" doc:"The service that is asked about, for grpc. The server as a whole where not said."`
	Interval  duration      `yaml:"interval" jsonschema:"default=5s" doc:"Between two checks."`
	Timeout   checkTime     `yaml:"timeout" jsonschema:"default=1s" doc:"For one check, at most 2s: an Envoy that starts serves nothing before each endpoint's first check has ended."`
	Healthy   *int          `yaml:"healthy" jsonschema:"minimum=1,maximum=100,default=2" doc:"Successes in a row before an endpoint is used again."`
	Unhealthy *int          `yaml:"unhealthy" jsonschema:"minimum=1,maximum=100,default=3" doc:"Failures in a row before an endpoint is left out."`
}

func (f *healthFields) health(o *object) *gateway.Health {
	if f == nil {
		return nil
	}
	h := &gateway.Health{
		Check: or(gateway.HealthCheck(f.Check), gateway.HealthHTTP), Path: string(f.Path), Host: string(f.Host), Service: f.Service,
		Interval: f.Interval.or(healthInterval), Timeout: duration(f.Timeout).or(healthTimeout),
		Healthy: value(f.Healthy, healthyAfter), Unhealthy: value(f.Unhealthy, unhealthyAfter),
		Statuses: each(f.Statuses, func(r statusRange) gateway.StatusRange { return r.StatusRange }),
	}
	slices.SortFunc(h.Statuses, func(a, b gateway.StatusRange) int { return cmp.Or(a.From-b.From, a.To-b.To) })
	if h.Check == gateway.HealthHTTP && f.Path == "" && !o.blamed("health") {
		o.fault(gateway.CodeMissingField, "health.path", "the field path is missing: write it, or check: grpc or check: tcp")
	}
	for _, only := range []struct {
		field   string
		written bool
		of      []gateway.HealthCheck
	}{
		{"path", f.Path != "", []gateway.HealthCheck{gateway.HealthHTTP}},
		{"statuses", f.Statuses != nil, []gateway.HealthCheck{gateway.HealthHTTP}},
		{"service", f.Service != "", []gateway.HealthCheck{gateway.HealthGRPC}},
		{"host", f.Host != "", []gateway.HealthCheck{gateway.HealthHTTP, gateway.HealthGRPC}},
	} {
		if only.written && !slices.Contains(only.of, h.Check) {
			o.fault(gateway.CodeConflict, "health."+only.field, "a check by %s has no %s: remove it, or write check: %s", h.Check, only.field, only.of[0])
		}
	}
	if strings.Contains(h.Host, "*") {
		o.fault(gateway.CodeBadValue, "health.host", "the host of a check is one name: write it without *")
	}
	return h
}

// statusRange is a status of HTTP, or a range of them.
type statusRange struct{ gateway.StatusRange }

func (v *statusRange) parse(text string) error {
	from, to, ranged := strings.Cut(text, "-")
	if !ranged {
		to = from
	}
	a, wrong := strconv.Atoi(from)
	b, also := strconv.Atoi(to)
	if wrong != nil || also != nil || len(from) != 3 || len(to) != 3 || a < 100 || b > 599 || a > b {
		return fmt.Errorf("%q is no status or range of statuses: write one as \"204\" or \"200-299\"", text)
	}
	v.From, v.To = a, b
	return nil
}

// String returns the range as it is written.
func (v statusRange) String() string {
	if v.From == v.To {
		return strconv.Itoa(v.From)
	}
	return strconv.Itoa(v.From) + "-" + strconv.Itoa(v.To)
}

func (statusRange) JSONSchema() *jsonschema.Schema {
	return pattern(`^[1-5][0-9][0-9](-[1-5][0-9][0-9])?$`, "204", "200-299")
}
