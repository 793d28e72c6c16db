package introspect

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// maxIssuers is of how many endpoints connections and failures are kept.
	maxIssuers = 256
	// maxOpen bounds the calls that one issuer has to answer at a time. More than that are refused: they would only wait.
	maxOpen = 64
	// tolerated is how many calls in a row may fail before an issuer is left alone.
	tolerated = 5
	// firstPause and longestPause are for how long it is left alone, doubled from failure to failure, and spread by a half.
	firstPause   = time.Second
	longestPause = 30 * time.Second

	dialTimeout = 5 * time.Second
	idleTimeout = 90 * time.Second
)

// issuer is what is kept of an Endpoint between calls: connections, and how the last calls ended.
type issuer struct {
	endpoint *Endpoint
	client   *http.Client

	mu     sync.Mutex
	open   int           // Calls under way.
	failed int           // Calls in a row.
	pause  time.Duration // The last one; 0: it is not left alone.
	until  time.Time     // Of the pause.
	tried  bool          // After a pause one call tries whether the issuer is back.
	used   time.Time
}

func newIssuer(e *Endpoint) *issuer {
	secure := &tls.Config{MinVersion: tls.VersionTLS12}
	if e.settings.CA != nil {
		secure.RootCAs = x509.NewCertPool()
		secure.RootCAs.AppendCertsFromPEM(e.settings.CA)
	}
	return &issuer{endpoint: e, client: &http.Client{
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
			TLSClientConfig:     secure,
			ForceAttemptHTTP2:   true,
			MaxConnsPerHost:     maxOpen,
			MaxIdleConnsPerHost: maxOpen / 4,
			IdleConnTimeout:     idleTimeout,

			TLSHandshakeTimeout:    dialTimeout,
			MaxResponseHeaderBytes: maxAnswerHeaders,
		},
		// Token and secret go where the document says, and nowhere else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("the issuer answered with a redirect") },
	}}
}

// enter reports whether the issuer may be asked now. Who enters leaves.
func (i *issuer) enter(now time.Time) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.used = now
	switch {
	case i.open >= maxOpen:
		return false
	case i.pause > 0 && (now.Before(i.until) || i.tried):
		return false
	case i.pause > 0:
		i.tried = true
	}
	i.open++
	return true
}

// leave notes how a call ended. turned tells that the issuer is left alone from now on, or that it answers again.
func (i *issuer) leave(now time.Time, good bool) (turned bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.open--
	if good {
		turned = i.pause > 0
		i.failed, i.pause, i.tried = 0, 0, false
		return turned
	}
	i.failed++
	if i.failed < tolerated {
		return false
	}
	if i.pause > 0 && now.Before(i.until) {
		return false // One of those that were under way when the pause began.
	}
	turned = i.pause == 0
	i.pause = min(max(2*i.pause, firstPause), longestPause)
	i.until, i.tried = now.Add(i.pause/2+rand.N(i.pause)), false
	return turned
}

// issuers are those asked lately.
type issuers struct {
	mu   sync.Mutex
	byID map[string]*issuer
}

// get returns what is kept of an endpoint. The one that was not asked for the longest time makes room for a new one.
func (l *issuers) get(e *Endpoint, now time.Time) *issuer {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := l.byID[e.id]; i != nil {
		return i
	}
	if len(l.byID) >= maxIssuers {
		l.forget()
	}
	i := newIssuer(e)
	i.used = now
	l.byID[e.id] = i
	return i
}

// forget forgets the one that was not asked for the longest time; l.mu is held.
func (l *issuers) forget() {
	var oldest string
	var since time.Time
	for id, i := range l.byID {
		i.mu.Lock()
		used := i.used
		i.mu.Unlock()
		if oldest == "" || used.Before(since) {
			oldest, since = id, used
		}
	}
	l.byID[oldest].client.CloseIdleConnections()
	delete(l.byID, oldest)
}

func (l *issuers) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, i := range l.byID {
		i.client.CloseIdleConnections()
	}
}
