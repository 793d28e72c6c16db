package config

import (
	"crypto/x509"
	"encoding/pem"
	"time"

	"github.com/gatehouse/gatehouse/gateway"
)

// How often a bundle is looked at where its document does not say, and the bounds of that.
const (
	bundleURLInterval  = time.Minute
	bundlePathInterval = 5 * time.Second
	bundleMinInterval  = time.Second
	bundleMaxInterval  = 24 * time.Hour
)

type bundleDocument struct {
	header    `yaml:",inline"`
	URL       keysURL       `yaml:"url" doc:"Where an HTTP server has the bundle (tar.gz). It is asked with If-None-Match."`
	Directory hostFile      `yaml:"directory" doc:"The bundle on the daemon's host: a directory, or an archive (tar.gz)."`
	Interval  duration      `yaml:"interval" doc:"How often it is looked at, 1s to 24h. 1m for a URL and 5s for a directory where not said."`
	Token     secret        `yaml:"token" doc:"The bearer token for the server: env:NAME or file:./path, read by the daemon at each call."`
	CA        filePath      `yaml:"ca" doc:"A file of the certificates (PEM) by which the server's own is verified. Those of the daemon's host where not said."`
	Insecure  bool          `yaml:"insecure" jsonschema:"default=false" doc:"Whether plain HTTP will do, by which whoever is on the way can put other policies in the place of these. On loopback it always does."`
	Verify    *verifyFields `yaml:"verify" doc:"By which key it must be signed. A bundle that is not is not used."`
	Shared    bool          `yaml:"shared" jsonschema:"default=false" doc:"Whether Policies of other teams may use it. What has no team is free to all."`
}

type verifyFields struct {
	Key   filePath `yaml:"key" jsonschema:"required" doc:"A file of the public key, PEM."`
	KeyID string   `yaml:"key-id" jsonschema:"default=default" doc:"The name by which signatures call it."`
}

// add adds the bundle. What it holds is not read here: it is observed.
func (d *bundleDocument) add(o *object, docs *gateway.Documents) {
	b := &gateway.Bundle{
		Name: string(d.Name), URL: string(d.URL), Path: d.Directory.from(o, "directory"), Token: d.Token.reference(o, "token"),
		Insecure: d.Insecure, Team: d.Team, Shared: d.Shared, Origin: o.origin(),
	}
	switch {
	case b.URL != "" && d.Directory != "":
		o.fault(gateway.CodeConflict, "directory", "url and directory exclude one another: keep one")
	case b.URL == "" && d.Directory == "" && !o.blamed("url") && !o.blamed("directory"):
		o.fault(gateway.CodeMissingField, "", "nothing says where the Bundle %s is: write url: or directory:", d.Name)
	case b.URL == "" && (d.Token != "" || d.CA != "" || d.Insecure):
		o.fault(gateway.CodeConflict, "directory", "token, ca and insecure are about a server: remove them, or write url:")
	}
	b.Interval = d.Interval.or(bundlePathInterval)
	if b.URL != "" {
		b.Interval = d.Interval.or(bundleURLInterval)
		if err := gateway.CheckSafeURL(b.URL, d.Insecure); err != nil {
			o.fault(gateway.CodeBadValue, "url", "%s", err)
		}
	}
	if b.Interval < bundleMinInterval || b.Interval > bundleMaxInterval {
		o.fault(gateway.CodeBadValue, "interval", "bundles are looked at every 1s to 24h: write a duration between")
	}
	d.files(o, b)
	if o.sound(docs) {
		docs.Bundles = append(docs.Bundles, b)
	}
}

// files reads the files that the document includes.
func (d *bundleDocument) files(o *object, b *gateway.Bundle) {
	if d.CA != "" {
		text, _, ok := o.load.include(o, "ca", string(d.CA))
		if ok && !x509.NewCertPool().AppendCertsFromPEM(text) {
			o.fault(gateway.CodeBadValue, "ca", "the file holds no certificate in PEM: write the path of one that does")
		}
		b.CA = text
	}
	if d.Verify == nil {
		return
	}
	b.KeyID = d.Verify.KeyID
	if b.KeyID == "" {
		b.KeyID = "default"
	}
	if d.Verify.Key == "" {
		return // Reported as missing.
	}
	text, _, ok := o.load.include(o, "verify.key", string(d.Verify.Key))
	if !ok {
		return
	}
	b.Verify = text
	block, _ := pem.Decode(text)
	if block == nil {
		o.fault(gateway.CodeBadValue, "verify.key", "the file holds no public key in PEM: write the path of one that does")
		return
	}
	if _, err := x509.ParsePKIXPublicKey(block.Bytes); err != nil {
		o.fault(gateway.CodeBadValue, "verify.key", "the file holds no public key in PEM: write the path of one that does")
	}
}
