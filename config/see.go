package config

import (
	"path/filepath"

	"github.com/gatehouse/gatehouse/gateway"
)

// accessLogFields say where an Envoy writes its own access log.
type accessLogFields struct {
	To   string `yaml:"to" jsonschema:"required" doc:"Where to: stdout, or the path of a file on the Envoy's host, from the root. Its directory must be there."`
	Only string `yaml:"only" jsonschema:"enum=all,enum=refused,enum=failed,default=all" doc:"Which requests: all, those that are answered with 400 or more (refused), or with 500 or more (failed)."`
}

func (accessLogFields) short() string { return "to" }

func (f *accessLogFields) log(o *object, at string) *gateway.AccessLog {
	if f == nil {
		return nil
	}
	if f.To != gateway.LogStdout && (!filepath.IsAbs(f.To) || filepath.Clean(f.To) != f.To) && !o.blamed(at) {
		o.fault(gateway.CodeBadValue, join(at, "to"), "%q is no place for a log: write stdout, or the path of a file from the root, as in /var/log/gatehouse/access.log", f.To)
	}
	out := &gateway.AccessLog{To: f.To, Only: gateway.LoggedOnly(f.Only)}
	if f.Only == "all" {
		out.Only = gateway.LoggedAll
	}
	return out
}

// tracingSample is the percentage of requests that are traced where the document does not say.
const tracingSample = 1

// tracingFields say where an Envoy sends spans.
type tracingFields struct {
	To     name     `yaml:"to" jsonschema:"required" doc:"The name of the Upstream that collects spans, by OTLP over gRPC; it has protocol: http2."`
	Sample *percent `yaml:"sample" jsonschema:"default=1%" doc:"How many of the requests are traced where no traceparent says whether, and at most of those where one does."`
}

func (tracingFields) short() string { return "to" }

func (f *tracingFields) tracing() *gateway.Tracing {
	if f == nil {
		return nil
	}
	return &gateway.Tracing{To: string(f.To), Sample: float64(value(f.Sample, tracingSample))}
}
