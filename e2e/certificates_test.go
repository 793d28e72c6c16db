//go:build e2e

package e2e_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse/gatehouse/gateway"
)

// TestNewHostDrainsNobody adds hosts with certificates of their own, and moves a host to another one, while connections to other
// hosts are open: these are never told to close.
func TestNewHostDrainsNobody(t *testing.T) {
	t.Parallel()
	w := tlsWorld(t)
	held, err := w.handshake("PORT", "api.bank.test")
	if err != nil {
		t.Fatal(err)
	}
	documents := tlsDocuments
	for _, add := range []string{"new.test", "newer.test"} {
		name, _, _ := strings.Cut(add, ".")
		w.certificate(name, name+"-1", add)
		documents = strings.Replace(documents, "shop.test", "shop.test, "+add, 1)
		documents = strings.Replace(documents, "[bank, shop", "[bank, shop, "+name, 1)
		documents += "---\nkind: Certificate\nname: " + name + "\nchain: ./" + name + ".pem\nkey: ./" + name + ".key.pem\n"
		w.write("bank.yaml", documents)
		w.eventually(add+" is served", func() bool {
			c, err := w.handshake("PORT", add)
			return err == nil && commonName(c) == name+"-1" && w.ask(c, add, "/").status == 200
		})
		a := w.ask(held, "api.bank.test", "/")
		if a.status != 200 || a.header.Get("connection") == "close" {
			t.Errorf("%s came, and the connection to another host gets %d, connection %q", add, a.status, a.header.Get("connection"))
		}
	}
	stats, err := w.envoys["edge-1"].Admin().Stats(t.Context(), `^listener_manager\.(listener_in_place_updated|total_filter_chains_draining|total_listeners_draining)$`)
	if err != nil {
		t.Fatal(err)
	}
	if stats["listener_manager.listener_in_place_updated"] < 2 || stats["listener_manager.total_filter_chains_draining"]+stats["listener_manager.total_listeners_draining"] > 0 {
		t.Errorf("listener manager: %v", stats)
	}
}

// TestOneBadCertificateStaysOne starts with a certificate that cannot be read: the other host is served, and this one as soon
// as its file is good.
func TestOneBadCertificateStaysOne(t *testing.T) {
	t.Parallel()
	address, _ := backend(t, "bank", "")
	w := prepare(t, map[string]string{"bank.yaml": tlsDocuments}, map[string]string{"BACKEND": address})
	w.certificate("bank", "bank-1", "api.bank.test", "*.bank.test")
	w.startServer()
	w.startEnvoy("edge", "edge-1")
	c, err := w.handshake("PORT", "api.bank.test")
	if err != nil || w.ask(c, "api.bank.test", "/").status != 200 {
		t.Errorf("the host whose certificate is good: %v", err)
	}
	if _, err := w.handshake("PORT", "shop.test"); err == nil {
		t.Error("a host without a certificate is met")
	}
	now, err := w.admin().Revision(t.Context())
	if err != nil || !slices.ContainsFunc(now.Faults, func(f gateway.Fault) bool { return f.Code == "GH121" && f.Object.Name == "shop" }) {
		t.Errorf("faults %v, %v", now.Faults, err)
	}
	w.certificate("shop", "shop-1", "shop.test")
	for _, port := range []string{"PORT", "STRICT_PORT"} {
		w.eventually("shop.test is served on "+port, func() bool {
			c, err := w.handshake(port, "shop.test")
			return err == nil && commonName(c) == "shop-1" && w.ask(c, "shop.test", "/").status == 200
		})
	}
}

// TestCertificateIsReplacedUnderLoad replaces a certificate again and again, by files and by a link, while requests run, each on
// a new connection and on one that is kept: none fails. A broken replacement changes nothing and is shown.
func TestCertificateIsReplacedUnderLoad(t *testing.T) {
	t.Parallel()
	w := tlsWorld(t)
	revision, err := w.admin().Revision(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	kept, err := w.handshake("PORT", "api.bank.test")
	if err != nil {
		t.Fatal(err)
	}
	fresh, pooled := w.tlsLoad("api.bank.test", false), w.tlsLoad("api.bank.test", true)
	shown := func() string {
		c, err := w.handshake("PORT", "api.bank.test")
		if err != nil {
			t.Fatal(err)
		}
		return commonName(c)
	}
	for i := range 10 {
		name := fmt.Sprint("bank-", i+2)
		w.certificate("bank", name, "api.bank.test", "*.bank.test")
		w.eventually(name+" is shown", func() bool { return shown() == name })
		if a := w.ask(kept, "api.bank.test", "/"); a.status != 200 {
			t.Errorf("after %s the kept connection gets %d", name, a.status)
		}
	}
	w.write("bank.pem", "no certificate")
	w.eventually("the broken file is shown as a fault", func() bool {
		now, err := w.admin().Revision(t.Context())
		return err == nil && slices.ContainsFunc(now.Faults, func(f gateway.Fault) bool {
			return f.Code == "GH121" && strings.HasPrefix(f.Place.String(), "bank.yaml:11")
		})
	})
	if got := shown(); got != "bank-11" {
		t.Errorf("a broken file: %s is shown", got)
	}
	w.certificate("bank", "narrow", "other.test")
	w.eventually("a certificate for other hosts is shown as a fault", func() bool {
		now, err := w.admin().Revision(t.Context())
		return err == nil && slices.ContainsFunc(now.Faults, func(f gateway.Fault) bool { return f.Code == "GH221" || f.Code == "GH223" })
	})
	if got := shown(); got != "bank-11" {
		t.Errorf("a certificate for other hosts: %s is shown", got)
	}
	w.certificate("bank", "bank-12", "api.bank.test", "*.bank.test")
	w.eventually("bank-12 is shown", func() bool { return shown() == "bank-12" })
	w.eventually("no fault is left", func() bool {
		now, err := w.admin().Revision(t.Context())
		return err == nil && len(now.Faults) == 0
	})
	for what, stop := range map[string]func() (int, []error){"connections of their own": fresh, "kept connections of HTTP/2": pooled} {
		count, failed := stop()
		t.Logf("%d requests on %s", count, what)
		if count < 20 || len(failed) > 0 {
			t.Errorf("%d of %d requests on %s failed: %v", len(failed), count, what, failed[:min(5, len(failed))])
		}
	}
	if now, err := w.admin().Revision(t.Context()); err != nil || now.ID != revision.ID {
		t.Errorf("revision %s became %s: %v", revision.ID, now.ID, err)
	}
}

// tlsLoad sends requests, each on a new connection or all on those of HTTP/2 that are kept, until what it returns is called,
// which tells their number and the failures.
func (w *world) tlsLoad(host string, keep bool) (stop func() (int, []error)) {
	ctx, cancel := context.WithCancel(w.t.Context())
	type result struct {
		count  int
		failed []error
	}
	done := make(chan result, 1)
	go func() {
		var r result
		transport := &http.Transport{
			DisableKeepAlives: !keep, ForceAttemptHTTP2: keep, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // Certificates change.
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "tcp", "127.0.0.1:"+w.values["PORT"])
			},
		}
		for ctx.Err() == nil {
			r.count++
			request, _ := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodGet, "https://"+host+"/", nil)
			response, err := transport.RoundTrip(request)
			if err == nil {
				_, err = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
				if response.StatusCode != 200 {
					err = fmt.Errorf("status %d", response.StatusCode)
				}
			}
			if err != nil {
				r.failed = append(r.failed, err)
			}
		}
		transport.CloseIdleConnections()
		done <- r
	}()
	return func() (int, []error) {
		cancel()
		r := <-done
		return r.count, r.failed
	}
}

// page returns a page of the management API.
func (w *world) page(path string) string {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(w.state, "admin.sock"))
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost"+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != 200 {
		w.t.Fatalf("%s: status %d, %v", path, response.StatusCode, err)
	}
	return string(text)
}

// TestKeysStayWhereTheyBelong looks for private keys in all that is shown or written.
func TestKeysStayWhereTheyBelong(t *testing.T) {
	t.Parallel()
	w := tlsWorld(t)
	key, err := os.ReadFile(filepath.Join(w.dir, "bank.key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	secret := strings.Split(string(key), "\n")[1]
	w.eventually("bank is shown", func() bool {
		c, err := w.handshake("PORT", "api.bank.test")
		return err == nil && commonName(c) == "bank-1"
	})
	dump, err := w.envoys["edge-1"].Admin().Get(t.Context(), "/config_dump?include_eds")
	if err != nil {
		t.Fatal(err)
	}
	pages := map[string]string{"the daemon's log": w.log.String(), "Envoy's config dump": string(dump)}
	for _, path := range []string{"/metrics", "/v1/nodes", "/v1/revision"} {
		pages[path] = w.page(path)
	}
	for name, text := range pages {
		if text == "" {
			t.Errorf("%s is empty", name)
		}
		if strings.Contains(text, secret) || strings.Contains(text, "PRIVATE KEY") {
			t.Errorf("%s holds a private key", name)
		}
	}
	if !strings.Contains(pages["/metrics"], `gatehouse_certificate_expires_seconds{certificate="bank"} 7.`) {
		t.Errorf("no metric tells when the certificate expires: %s", pages["/metrics"])
	}
}
