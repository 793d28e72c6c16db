package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/invopop/jsonschema"
	"go.yaml.in/yaml/v4"

	"github.com/gatehouse/gatehouse/gateway"
)

// header is what every document begins with.
type header struct {
	Schema      form              `yaml:"schema" doc:"The version of the documents' form: 1. Written once per file, in its first document."`
	Kind        string            `yaml:"kind" jsonschema:"required" doc:"What the document describes."`
	Name        name              `yaml:"name" jsonschema:"required" doc:"The object's name, by which other documents refer to it."`
	Team        string            `yaml:"team" doc:"Who owns the object: shown with its faults, and held against the allow of Gateways and against what other teams share. The platform where not said."`
	Labels      map[string]string `yaml:"labels" doc:"Free text by free names."`
	Description string            `yaml:"description" doc:"What the object is for."`
}

// form is the version of the documents' form.
type form struct{}

func (*form) decode(d *decoder, n *yaml.Node, at *field, _ *rule) {
	if n.Kind != yaml.ScalarNode || n.Value != "1" || n.Tag != "!!int" {
		d.fault(gateway.CodeSchema, n, at, "this form of documents is not known: write schema: 1")
	}
}

func (form) JSONSchema() *jsonschema.Schema { return &jsonschema.Schema{Const: 1} }

// document is one kind of document.
type document interface {
	// add builds the object and adds it to the documents, or reports why it cannot.
	add(o *object, docs *gateway.Documents)
}

// newDocument returns an empty document of a kind, nil for a kind that does not exist.
func newDocument(kind gateway.Kind) document {
	switch kind {
	case gateway.KindGateway:
		return &gatewayDocument{}
	case gateway.KindUpstream:
		return &upstreamDocument{}
	case gateway.KindAPI:
		return &apiDocument{}
	case gateway.KindRoute:
		return &routeDocument{}
	case gateway.KindLimit:
		return &sharedLimitDocument{}
	case gateway.KindBundle:
		return &bundleDocument{}
	case gateway.KindIssuer:
		return &issuerDocument{}
	case gateway.KindPolicy:
		return &policyDocument{}
	case gateway.KindCertificate:
		return &certificateDocument{}
	}
	return nil
}

func kinds() []string {
	return []string{
		string(gateway.KindGateway), string(gateway.KindUpstream), string(gateway.KindAPI), string(gateway.KindRoute),
		string(gateway.KindIssuer), string(gateway.KindPolicy), string(gateway.KindBundle), string(gateway.KindLimit), string(gateway.KindCertificate),
	}
}

// laterKinds are named already and built by later releases.
func laterKinds() []string {
	return []string{"Sidecar", "Product", "Plan", "Portal"}
}

// object is one document on its way into the model: where it stands, and what is wrong with it.
type object struct {
	load   *loader
	source string
	file   string
	ref    gateway.Ref
	team   string
	spots  *spot

	present  []string          // Of the files that the document includes, those that would be watched elsewhere.
	includes map[string][]byte // The files that the document includes.
	contract *contract         // nil: none, or none that could be read.

	// faulty says that a fault was reported for the object, be it in a file that it includes.
	faulty bool
	blames []string // The fields of these faults.
}

// fault reports a fault of a field of the document.
func (o *object) fault(code gateway.Code, field, format string, args ...any) {
	line, column := o.spots.find(field)
	o.report(code, gateway.Place{File: o.file, Line: line, Column: column}, field, fmt.Sprintf(format, args...))
}

// report reports a fault of the object at any place.
func (o *object) report(code gateway.Code, place gateway.Place, field, message string) {
	o.faulty = true
	o.load.passing[o.file] = true
	o.blames = append(o.blames, field)
	o.load.report(gateway.Fault{Code: code, Place: place, Field: field, Object: o.ref, Team: o.team, Message: message})
}

// blamed reports whether a field, or one below it, has a fault already, so that what follows from that is not reported too.
func (o *object) blamed(field string) bool {
	return slices.ContainsFunc(o.blames, func(b string) bool {
		rest, ok := strings.CutPrefix(b, field)
		return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
	})
}

// origin tells later stages where the object was written.
func (o *object) origin() gateway.Origin {
	return gateway.Origin{
		Source: o.source, File: o.file, Line: int(o.spots.line), Column: int(o.spots.column), Find: o.spots.find,
	}
}

// sound reports whether the object can be used, and notes it as broken otherwise.
func (o *object) sound(docs *gateway.Documents) bool {
	if o.faulty {
		docs.Broken[o.ref] = true
	}
	return !o.faulty
}
