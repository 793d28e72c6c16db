package config

import (
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse/gatehouse/gateway"
)

// streamIdle is after how long a connection is closed on which nothing moves, where the document does not say: Envoy's own
// time (tcp_proxy idle_timeout).
const streamIdle = time.Hour

// streamFields say how connections are passed on.
type streamFields struct {
	Idle     duration `yaml:"idle" jsonschema:"default=1h" doc:"After this a connection on which nothing moves is closed."`
	Attempts int      `yaml:"attempts" jsonschema:"minimum=1,maximum=10,default=1" doc:"How many endpoints are tried before a client's connection is closed."`
}

// spoken returns what a protocol means.
func spoken(protocol string) gateway.Spoken {
	if s := gateway.Spoken(protocol); s.Streams() {
		return s
	}
	return gateway.SpeaksHTTP
}

// addStream adds a Route that passes on connections. All that is about requests is a fault there.
func (d *routeDocument) addStream(o *object, docs *gateway.Documents, speaks gateway.Spoken) {
	for _, name := range writtenBeside(*d, "expose", "to", "stream", "protocol") {
		o.fault(gateway.CodeConflict, name, "%s is about requests, and with protocol: %s no request is looked at: remove it", name, speaks)
	}
	for i, e := range d.Expose {
		if e.Base != "" {
			o.fault(gateway.CodeConflict, itemField("expose", i, "base"), "base is a path of requests, and with protocol: %s no request is looked at: remove it", speaks)
		}
		if len(e.Hosts) > 0 && speaks == gateway.SpeaksTCP {
			o.fault(gateway.CodeConflict, itemField("expose", i, "hosts"), "TCP names no host: remove hosts, or write protocol: tls")
		}
	}
	api := &gateway.API{
		Kind: gateway.KindRoute, Name: string(d.Name), Team: d.Team, Labels: d.Labels, Stage: gateway.Published, Unlisted: gateway.Refuse,
		Expose: exposures(d.Expose), To: destinations(d.To), Speaks: speaks,
		Passing: gateway.Passing{Idle: streamIdle, Attempts: 1}, Origin: o.origin(),
	}
	if d.Stream != nil {
		api.Passing = gateway.Passing{Idle: d.Stream.Idle.or(streamIdle), Attempts: max(1, d.Stream.Attempts)}
	}
	addAPI(o, docs, api)
}

// writtenBeside returns the names of a document's own fields that say something, but for some.
func writtenBeside(document any, but ...string) []string {
	var names []string
	v := reflect.ValueOf(document)
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if name != "" && !slices.Contains(but, name) && !v.Field(i).IsZero() {
			names = append(names, name)
		}
	}
	return names
}

// speaks fills in what a listener's clients speak, and finds what makes no sense then.
func (l listenerFields) speaks(o *object, at string, out *gateway.Listener) {
	out.Speaks = spoken(l.Protocol)
	if !out.Speaks.Streams() {
		return
	}
	if out.Speaks == gateway.SpeaksTLS {
		out.Names = out.Hosts
	} else if len(l.Hosts) > 0 {
		o.fault(gateway.CodeConflict, at+".hosts", "TCP names no host: remove hosts, or write protocol: tls")
	}
	out.Hosts = nil
	if l.TLS != nil {
		o.fault(gateway.CodeConflict, at+".tls", "with protocol: %s connections are passed on as they are, and no certificate is shown: remove tls, or protocol", out.Speaks)
	}
	if l.Redirect != nil {
		o.fault(gateway.CodeConflict, at+".redirect", "with protocol: %s no request is looked at, and none can be redirected: remove it", out.Speaks)
	}
}
