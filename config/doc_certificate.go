package config

import (
	"fmt"
	"path"
	"strings"

	"github.com/invopop/jsonschema"

	"github.com/gatehouse/gatehouse/gateway"
)

type certificateDocument struct {
	header `yaml:",inline"`
	Chain  hostFile `yaml:"chain" jsonschema:"required" doc:"The file of the certificate chain, PEM, the leaf first. It is read by the daemon, again whenever it changes, and is no part of a revision."`
	Key    hostFile `yaml:"key" jsonschema:"required" doc:"The file of the private key, PEM, without a password. It is read as the chain is."`
}

// add adds the certificate. Its files are not opened here: what they hold is observed.
func (d *certificateDocument) add(o *object, docs *gateway.Documents) {
	c := &gateway.Certificate{Name: string(d.Name), Chain: d.Chain.from(o, "chain"), Key: d.Key.from(o, "key"), Team: d.Team, Origin: o.origin()}
	if o.sound(docs) {
		docs.Certificates = append(docs.Certificates, c)
	}
}

// hostFile is the path of a file on the daemon's host: relative to the file in which it is written, or absolute.
type hostFile string

func (v *hostFile) parse(text string) error {
	if text == "" || strings.ContainsAny(text, "\\\x00") || strings.HasSuffix(text, "/") {
		return &refusal{code: gateway.CodeFile, text: fmt.Sprintf(
			"%q is no path of a file: write it with slashes, relative to this file as in ./bank.pem, or absolute as in /etc/bank/tls.pem", text)}
	}
	*v = hostFile(text)
	return nil
}

func (hostFile) JSONSchema() *jsonschema.Schema {
	return pattern(`^[^\\]*[^/\\]$`, "./bank.pem", "/etc/bank/tls.pem")
}

// from returns the path as seen from the configuration's directory, or as it is where it is absolute.
func (v hostFile) from(o *object, field string) string {
	if v == "" {
		return ""
	}
	if path.IsAbs(string(v)) {
		return path.Clean(string(v))
	}
	file, err := resolve(o.file, string(v))
	if err != nil {
		o.fault(err.code, field, "%s, or write an absolute path", err.text)
	}
	return file
}
