package config

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/invopop/jsonschema"

	"github.com/gatehouse/gatehouse/config/canonical"
	"github.com/gatehouse/gatehouse/gateway"
)

// usualPanic is Envoy's own, in percent.
const usualPanic = 50

// balanceFields say how an Upstream's next endpoint is chosen.
type balanceFields struct {
	Method    string   `yaml:"method" jsonschema:"enum=round-robin,enum=least-request,enum=random,enum=ring-hash,enum=maglev,default=least-request" doc:"How the next endpoint is chosen. ring-hash and maglev send requests that are equal by by to the same endpoint."`
	By        hashKey  `yaml:"by" doc:"Which requests are equal, for ring-hash and maglev: header.NAME, cookie.NAME, query.NAME, or address for the client's address. A request without it goes anywhere."`
	TTL       duration `yaml:"ttl" doc:"With by: cookie.NAME, lets Envoy give each client without the cookie one that lives so long: a sticky session. The cookie tells nothing of endpoints."`
	SlowStart duration `yaml:"slow-start" doc:"How long an endpoint that is new, or healthy again, takes to get its whole share. With round-robin and least-request."`
	Panic     *percent `yaml:"panic" jsonschema:"default=50%" doc:"When fewer endpoints than this are healthy, health is ignored: requests go to all. 0% never does that."`
	Zones     string   `yaml:"zones" jsonschema:"enum=all,enum=own-first,default=all" doc:"own-first sends to endpoints of the Envoy's own zone, and to others as far as its own are not healthy."`
}

func (balanceFields) short() string { return "method" }

// form is the method alone where nothing else is said.
func (f *balanceFields) form(all *forms) canonical.Value {
	if alone := (balanceFields{Method: f.Method}); *f == alone {
		return canonical.Value{Text: f.Method}
	}
	return all.object(reflect.ValueOf(f).Elem())
}

// balance puts into an Upstream how its endpoints are chosen.
func (f *balanceFields) balance(o *object, u *gateway.Upstream) {
	u.Balance = or(gateway.Balance(f.Method), gateway.LeastRequest)
	u.Balancing = gateway.Balancing{SlowStart: time.Duration(f.SlowStart), OwnZone: f.Zones == "own-first"}
	if p := value(f.Panic, usualPanic); p != usualPanic {
		u.Balancing.Panic = new(float64(p))
	}
	switch {
	case u.Balance.Hashes() && f.By.HashKey == gateway.HashKey{}:
		if !o.blamed("balance") {
			o.fault(gateway.CodeMissingField, "balance.by", "%s does not say by what: write by: header.NAME, cookie.NAME, query.NAME or address", f.Method)
		}
	case u.Balance.Hashes():
		key := f.By.HashKey
		key.TTL = time.Duration(f.TTL)
		u.Balancing.By = &key
	case f.By.HashKey != gateway.HashKey{}:
		o.fault(gateway.CodeConflict, "balance.by", "%s looks at no request: remove by, or write method: ring-hash", u.Balance)
	}
	if f.TTL != 0 && f.By.Source != gateway.HashCookie {
		o.fault(gateway.CodeConflict, "balance.ttl", "only a cookie has a lifetime: write by: cookie.NAME, or remove ttl")
	}
	if f.SlowStart != 0 && !u.Balance.Weighs() {
		o.fault(gateway.CodeConflict, "balance.slow-start", "%s knows no slow start: remove it, or write method: least-request or round-robin", u.Balance)
	}
}

// hashKey is what tells requests apart.
type hashKey struct{ gateway.HashKey }

func (v *hashKey) parse(text string) error {
	if text == string(gateway.HashAddress) {
		v.Source = gateway.HashAddress
		return nil
	}
	source, name, _ := strings.Cut(text, ".")
	if source == string(gateway.HashHeader) {
		name = strings.ToLower(name)
	}
	switch gateway.HashSource(source) {
	case gateway.HashHeader, gateway.HashCookie, gateway.HashQuery:
		if name == "" || len(name) > maxName || !every(name, headerCharacter) {
			return fmt.Errorf("%q names no %s: write its name after the dot", text, source)
		}
		v.HashKey = gateway.HashKey{Source: gateway.HashSource(source), Name: name}
		return nil
	}
	return fmt.Errorf("%q is nothing to balance by: write header.NAME, cookie.NAME, query.NAME or address", text)
}

// String returns the key as it is written.
func (v hashKey) String() string { return v.HashKey.String() }

func (hashKey) JSONSchema() *jsonschema.Schema {
	return pattern(`^(address|(header|cookie|query)\..+)$`, "header.x-user", "cookie.session", "address")
}
