package observed

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse/gatehouse/gateway"
)

// Bounds of fetching key sets.
const (
	maxKeys       = 1 << 20 // Bytes of a key set, or of an issuer's metadata.
	maxRedirects  = 3
	fetchTimeout  = 5 * time.Second
	firstRetry    = time.Second
	wellKnownPath = "/.well-known/openid-configuration" // OpenID Connect Discovery 1.0, section 4.
)

// fetch is a key set that is fetched again and again.
type fetch struct {
	cancel  context.CancelFunc
	first   chan struct{} // Closed when it was tried once, whatever came of it.
	tried   bool
	failure string // Of the last try; empty: it was good.
	etag    string
}

// fetches makes sure that an Issuer's keys are fetched again and again, and returns what closes after the first try. o.mu is held.
func (o *Observer) fetches(k *keySet) <-chan struct{} {
	if k.fetch == nil {
		ctx, cancel := context.WithCancel(o.running)
		k.fetch = &fetch{cancel: cancel, first: make(chan struct{})}
		f, issuer := k.fetch, k.issuer
		o.tasks.Go(func() { o.fetching(ctx, issuer, f) })
	}
	return k.fetch.first
}

// fetching fetches a key set until ctx ends: as often as its document says, and soon again after a failure.
func (o *Observer) fetching(ctx context.Context, issuer *gateway.Issuer, f *fetch) {
	client := o.keyClient(issuer.KeyURL)
	defer client.CloseIdleConnections()
	wait, retry := time.Duration(0), firstRetry
	for {
		if !o.turn(ctx, wait) {
			return
		}
		asking, cancel := context.WithTimeout(ctx, fetchTimeout)
		text, etag, err := o.fetchKeys(asking, client, issuer, f.etag)
		cancel()
		if ctx.Err() != nil {
			return
		}
		o.fetched(issuer, f, text, etag, err)
		if wait = issuer.KeyURL.Refresh; err == nil {
			retry = firstRetry
		} else {
			wait, retry = min(retry, wait), min(2*retry, wait)
		}
		wait = wait*3/4 + rand.N(wait/2+1) // Never all issuers at once, on average as asked.
	}
}

// keyClient returns what fetches by one URL. It trusts whom the document says, and follows few redirects, none to plain HTTP.
func (o *Observer) keyClient(from *gateway.KeyURL) *http.Client {
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSHandshakeTimeout: fetchTimeout, MaxIdleConnsPerHost: 1, ForceAttemptHTTP2: true,
		IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 64 << 10,
	}
	if from.CA != nil {
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(from.CA)
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return &http.Client{Transport: transport, CheckRedirect: func(to *http.Request, via []*http.Request) error {
		if len(via) > maxRedirects {
			return errors.New("it is redirected too often")
		}
		return gateway.CheckSafeURL(to.URL.String(), from.Insecure)
	}}
}

// fetchKeys fetches the key set of an issuer. text is nil where the server says that it has not changed.
func (o *Observer) fetchKeys(ctx context.Context, client *http.Client, issuer *gateway.Issuer, etag string) (text []byte, newTag string, err error) {
	place := issuer.KeyURL.URL
	if place == "" {
		if place, err = discover(ctx, client, issuer); err != nil {
			return nil, "", err
		}
	}
	text, newTag, err = get(ctx, client, place, etag)
	if err != nil || text == nil {
		return nil, newTag, err
	}
	text, err = o.options.Reader.PublicKeys(text)
	return text, newTag, err
}

// discover asks an issuer's metadata where its key set is (OpenID Connect Discovery 1.0, sections 4.1 and 4.3).
func discover(ctx context.Context, client *http.Client, issuer *gateway.Issuer) (string, error) {
	text, _, err := get(ctx, client, strings.TrimSuffix(issuer.Issuer, "/")+wellKnownPath, "")
	if err != nil {
		return "", err
	}
	var metadata struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	if json.Unmarshal(text, &metadata) != nil || metadata.Keys == "" {
		return "", errors.New("the metadata name no key set: jwks_uri is missing")
	}
	if metadata.Issuer != issuer.Issuer {
		return "", fmt.Errorf("the metadata are those of the issuer %q", cut(metadata.Issuer))
	}
	return metadata.Keys, gateway.CheckSafeURL(metadata.Keys, issuer.KeyURL.Insecure)
}

// cut bounds a text of somebody else in a message.
func cut(text string) string { return text[:min(len(text), 200)] }

// get fetches a URL. text is nil where the server has nothing newer than what the tag stands for (RFC 9110 section 13.1.2).
func get(ctx context.Context, client *http.Client, place, etag string) (text []byte, newTag string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, place, nil)
	if err != nil {
		return nil, "", errors.New("the URL cannot be asked")
	}
	request.Header.Set("Accept", "application/json")
	if etag != "" {
		request.Header.Set("If-None-Match", etag)
	}
	answer, err := client.Do(request)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = answer.Body.Close() }() // What was read counts.
	switch {
	case answer.StatusCode == http.StatusNotModified && etag != "":
		return nil, etag, nil
	case answer.StatusCode != http.StatusOK:
		return nil, "", fmt.Errorf("%s answers %s", request.URL.Redacted(), answer.Status)
	}
	text, err = io.ReadAll(io.LimitReader(answer.Body, maxKeys+1))
	if err == nil && len(text) > maxKeys {
		err = fmt.Errorf("%s answers with more than %d bytes", request.URL.Redacted(), maxKeys)
	}
	return text, answer.Header.Get("ETag"), err
}

// fetched takes over what came of a try.
func (o *Observer) fetched(issuer *gateway.Issuer, f *fetch, text []byte, etag string, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	k := o.keys[issuer.Name]
	if k == nil || k.fetch != f {
		return // Nobody wants it any more.
	}
	if !f.tried {
		f.tried = true
		defer close(f.first)
	}
	failure := ""
	if err != nil {
		failure = err.Error()
		if f.failure == "" {
			o.options.Log.Warn("a key set cannot be fetched, its last good content is kept", "issuer", issuer.Name, "known", k.text != nil, "error", err)
		}
	}
	f.failure, k.faults = failure, nil
	if err != nil {
		k.faults = gateway.Faults{k.unfetched()}
		return
	}
	f.etag = etag
	if text == nil || !o.lead.leads || bytes.Equal(k.text, text) {
		return
	}
	o.options.Log.Info("key set changed", "issuer", issuer.Name, "from", issuer.KeySource())
	k.text = text
	o.changed()
	o.save()
}

// unfetched is the fault of keys that cannot be fetched.
func (k *keySet) unfetched() gateway.Fault {
	failure := k.fetch.failure
	if failure == "" {
		failure = "there is no answer yet"
	}
	return gateway.Fault{
		Code: gateway.CodeKeySet, Place: k.issuer.Origin.At("jwks"), Field: "jwks", Object: gateway.Ref{Kind: gateway.KindIssuer, Name: k.issuer.Name},
		Message: fmt.Sprintf("the key set cannot be fetched: %s; see that the issuer answers, and that the URL is right", failure),
	}
}

// Unknown returns the faults of those Issuers whose keys were never known: a route that takes their tokens could only refuse them.
func (o *Observer) Unknown(issuers []*gateway.Issuer) gateway.Faults {
	o.mu.Lock()
	defer o.mu.Unlock()
	var out gateway.Faults
	for _, i := range issuers {
		if k := o.keys[i.Name]; k != nil && k.text == nil && k.fetch != nil {
			out = append(out, k.unfetched())
		}
	}
	return out.Sort()
}
