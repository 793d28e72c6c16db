package observed

import (
	"bytes"
	"slices"

	"github.com/gatehouse/gatehouse/gateway"
)

// keySet is the key set of one Issuer.
type keySet struct {
	issuer  *gateway.Issuer
	text    []byte // JWKS; nil: none was ever good.
	written []byte // What the store was given last.
	faults  gateway.Faults
	fetch   *fetch // Of keys by a URL; nil for others.
}

// keptAs is the name under which the store has the keys of an Issuer. Those that are fetched are kept by where they come from: what
// one server said is no word of another.
func keptAs(i *gateway.Issuer) string {
	if i.KeyURL == nil {
		return i.Name
	}
	return i.Name + "@" + gateway.ContentHash(i.KeySource())
}

// otherThan reports whether an Issuer now means other keys than these.
func (k *keySet) otherThan(i *gateway.Issuer) bool {
	if k.issuer == nil || k.issuer.KeyURL == nil && i.KeyURL == nil {
		return false
	}
	return gateway.ContentHash(k.issuer.KeyURL) != gateway.ContentHash(i.KeyURL) || k.issuer.KeySource() != i.KeySource()
}

// end ends the fetching of keys that nobody wants any more.
func (k *keySet) end() {
	if k != nil && k.fetch != nil {
		k.fetch.cancel()
	}
}

// lookAtFiles reads the files again from time to time: whoever watches the directory may miss something.
func (o *Observer) lookAtFiles() {
	for {
		select {
		case <-o.running.Done():
			return
		case <-o.options.After(o.options.Refresh):
			o.Reread()
		}
	}
}

// Reread reads every watched file again. It is called when something in their directory may have changed.
func (o *Observer) Reread() {
	o.reading.Lock()
	defer o.reading.Unlock()
	if leads, _ := o.leading(); !leads {
		return
	}
	for name, file := range o.endpointFiles() {
		list, faults := o.options.Reader.Endpoints(file)
		o.readEndpoints(name, file, list, faults)
	}
	for name, file := range o.keyFiles() {
		text, faults := o.options.Reader.KeySet(file)
		o.readKeys(name, file, text, faults)
	}
}

func (o *Observer) endpointFiles() map[string]string {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := map[string]string{}
	for name, s := range o.sets {
		if sourceOf(s.upstream) == File {
			out[name] = s.upstream.Discovery.File
		}
	}
	return out
}

func (o *Observer) keyFiles() map[string]string {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := map[string]string{}
	for name, k := range o.keys {
		if k.issuer.KeyFile != "" {
			out[name] = k.issuer.KeyFile
		}
	}
	return out
}

func (o *Observer) readEndpoints(name, file string, list []gateway.Endpoint, faults gateway.Faults) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.sets[name]
	if s == nil || sourceOf(s.upstream) != File || s.upstream.Discovery.File != file {
		return // Nobody wants it any more.
	}
	s.faults = o.blame(s.faults, faults, gateway.Ref{Kind: gateway.KindUpstream, Name: name}, "endpoints.file")
	if len(faults) == 0 {
		o.take(s, list)
	}
}

func (o *Observer) readKeys(name, file string, text []byte, faults gateway.Faults) {
	o.mu.Lock()
	defer o.mu.Unlock()
	k := o.keys[name]
	if k == nil || k.issuer.KeyFile != file {
		return
	}
	k.faults = o.blame(k.faults, faults, gateway.Ref{Kind: gateway.KindIssuer, Name: name}, "jwks.file")
	if len(faults) > 0 || bytes.Equal(k.text, text) {
		return
	}
	o.options.Log.Info("key set changed", "issuer", name, "file", file)
	k.text = text
	o.changed()
	o.save()
}

// blame completes the faults of a file, and logs those that are new.
func (o *Observer) blame(before, now gateway.Faults, object gateway.Ref, field string) gateway.Faults {
	out := slices.Clone(now)
	for i := range out {
		out[i].Object, out[i].Field = object, field
		if !slices.Contains(before, out[i]) {
			o.options.Log.Error("fault in a watched file, its last good content is kept", "code", string(out[i].Code),
				"place", out[i].Place.String(), "object", object.String(), "message", out[i].Message)
		}
	}
	return out
}
