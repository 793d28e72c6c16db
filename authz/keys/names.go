package keys

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"sync/atomic"
	"unique"
)

// names holds once what many credentials have in common: their application, and their scopes and addresses.
type names struct {
	mu           sync.Mutex
	applications map[string]*application
	terms        map[string]*terms
}

// application is one in memory. It stays while it has credentials, or was put and is not revoked.
type application struct {
	id            string
	subscriptions atomic.Pointer[[]Subscription]
	plan          atomic.Pointer[string] // nil for none.
	revoked       atomic.Bool            // True until it was put: of what is unknown nothing counts.
	rows          int32                  // How many credentials it has. Guarded by the mutex of names.
}

// terms are scopes and addresses as many credentials have them.
type terms struct {
	text      string // By which they are known.
	scopes    []string
	addresses []netip.Prefix
	rows      int32 // Guarded by the mutex of names.
}

// hold returns an application and terms for one credential more.
func (n *names) hold(app string, scopes []string, addresses []netip.Prefix) (*application, *terms) {
	text := key(scopes, addresses)
	n.mu.Lock()
	defer n.mu.Unlock()
	a := n.application(app)
	a.rows++
	of, known := n.terms[text]
	if !known {
		of = &terms{text: text, scopes: append([]string(nil), scopes...), addresses: append([]netip.Prefix(nil), addresses...)}
		n.terms[text] = of
	}
	of.rows++
	return a, of
}

// let forgets one credential of an application, with terms.
func (n *names) let(a *application, of *terms) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if of.rows--; of.rows == 0 {
		delete(n.terms, of.text)
	}
	if a.rows--; a.rows == 0 && a.revoked.Load() {
		delete(n.applications, a.id)
	}
}

// put takes in what is known of an application.
func (n *names) put(id, plan string, revoked bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	a := n.application(id)
	a.plan.Store(shared(plan))
	a.revoked.Store(revoked)
	if a.rows == 0 && revoked {
		delete(n.applications, id)
	}
}

// shared returns a plan's name, whose text all applications of the plan share; nil for none.
func shared(plan string) *string {
	if plan == "" {
		return nil
	}
	one := unique.Make(plan).Value()
	return &one
}

// subscribe takes in a subscription of an application, or lets it go. Lists that were told stay as they are.
func (n *names) subscribe(id string, one Subscription, gone bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, known := n.applications[id]; gone && !known {
		return
	}
	a := n.application(id)
	var all []Subscription
	if had := a.subscriptions.Load(); had != nil {
		for _, s := range *had {
			if s.ID != one.ID {
				all = append(all, s)
			}
		}
	}
	if !gone {
		all = append(all, one)
	}
	if len(all) == 0 {
		a.subscriptions.Store(nil)
		return
	}
	a.subscriptions.Store(&all)
}

// application returns the one with an id, a new one where there is none. The mutex is locked.
func (n *names) application(id string) *application {
	a, known := n.applications[id]
	if !known {
		a = &application{id: id}
		a.revoked.Store(true)
		n.applications[id] = a
	}
	return a
}

// key is a text that no other scopes and addresses have: each is written behind its length.
func key(scopes []string, addresses []netip.Prefix) string {
	text := binary.AppendUvarint(nil, uint64(len(scopes)))
	for _, s := range scopes {
		text = append(binary.AppendUvarint(text, uint64(len(s))), s...)
	}
	for _, p := range addresses {
		one := p.String()
		text = append(binary.AppendUvarint(text, uint64(len(one))), one...)
	}
	return string(text)
}
