package share_test

import (
	"time"

	"github.com/gatehouse/gatehouse/ratelimit/share"
)

// owner hears of all Envoys of the tests.
const owner = "one"

// settings are those of the tests.
func settings() share.Settings {
	return share.Settings{Life: 15 * time.Second, Interval: 4 * time.Second, Margin: 2 * time.Second}
}

// tokens is a token bucket as Envoy keeps it.
type tokens struct {
	share.Assignment
	left float64
	at   time.Time
}

func (b *tokens) take(now time.Time) bool {
	b.left = min(float64(b.Burst), b.left+float64(b.Rate)*now.Sub(b.at).Hours())
	b.at = now
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}

// letter is an Assignment under way to its Envoy.
type letter struct {
	share.Assignment
	arrives time.Time
}

// proxy is an Envoy: it takes up what it is assigned when that arrives, begins with a full bucket where it is another one, and
// lets nothing through when it has nothing (its limit fails closed).
type proxy struct {
	name            string
	bucket          *tokens
	expires         time.Time
	post            []letter
	allowed, denied int64
	holder          *share.Holder // nil: no stream.
	next            time.Time     // Its next report.
	gone            bool
}

func (p *proxy) until(now time.Time) {
	for len(p.post) > 0 && !p.post[0].arrives.After(now) {
		l := p.post[0]
		p.post = p.post[1:]
		if p.bucket == nil || p.expired(l.arrives) || p.bucket.Assignment != l.Assignment {
			p.bucket = &tokens{l.Assignment, float64(l.Burst), l.arrives}
		}
		p.expires = l.arrives.Add(settings().Life)
	}
	if p.expired(now) {
		p.bucket = nil
	}
}

func (p *proxy) expired(now time.Time) bool { return now.After(p.expires) }

// ask asks for one request.
func (p *proxy) ask(now time.Time) bool {
	p.until(now)
	if p.bucket != nil && p.bucket.take(now) {
		p.allowed++
		return true
	}
	p.denied++
	return false
}

// meter tells whether more was let through in any interval than a limit allows.
type meter struct {
	share.Limit
	level float64
	at    time.Time
}

// over counts one request, and reports whether it was one too many.
func (m *meter) over(now time.Time) bool {
	m.level = max(0, m.level-float64(m.Rate)*now.Sub(m.at).Hours())
	m.at = now
	m.level++
	return m.level > float64(m.Burst)+1e-6
}
