package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/gatehouse/gatehouse/gateway"
)

// WaiversFile is where a directory's waivers are, relative to it. The loader of documents passes it by, as it is hidden.
const WaiversFile = ".gatehouse/waivers.yaml"

// Waiver is one entry of the file of waivers, as written.
type Waiver struct {
	Rule   string
	Object string
	Field  string
	Reason string
	Until  time.Time // Midnight, UTC, at which the last day begins.
	Place  gateway.Place
}

// maxWaivers bounds the file of waivers, in bytes.
const maxWaivers = 1 << 20

type waiversDocument struct {
	Schema  form           `yaml:"schema" jsonschema:"required" doc:"The version of the form: 1."`
	Waivers []waiverFields `yaml:"waivers" jsonschema:"required" doc:"What is accepted."`
}

type waiverFields struct {
	Rule   name   `yaml:"rule" jsonschema:"required" doc:"The rule, such as GS001."`
	Object string `yaml:"object" jsonschema:"required" doc:"The object as findings name it, such as API payments/v1, or * for every one."`
	Field  string `yaml:"field" doc:"The field as findings name it. Every field where not said."`
	Reason string `yaml:"reason" jsonschema:"required" doc:"Why the finding is accepted."`
	Until  date   `yaml:"until" jsonschema:"required" doc:"The last day on which it is, such as 2027-01-31."`
}

// date is a day.
type date struct{ time.Time }

func (v *date) parse(text string) (err error) {
	if v.Time, err = time.Parse(time.DateOnly, text); err != nil {
		return fmt.Errorf("%q is no date: write year, month and day, as in 2027-01-31", text)
	}
	return nil
}

// decode takes a date also as YAML's own.
func (v *date) decode(d *decoder, n *yaml.Node, at *field, _ *rule) {
	if n.Kind != yaml.ScalarNode {
		d.fault(gateway.CodeWrongType, n, at, "until is %s: write a date, as in 2027-01-31", describe(n))
		return
	}
	if err := v.parse(n.Value); err != nil {
		d.fault(gateway.CodeBadValue, n, at, "%s", err)
	}
}

// LoadWaivers reads the waivers of a directory of documents; none where it has no file of them. What is wrong with the file is
// a fault, as with documents.
func LoadWaivers(dir string) ([]Waiver, gateway.Faults) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, gateway.Faults{{Code: gateway.CodeFile, Place: gateway.Place{File: "."}, Message: fmt.Sprintf("the directory %s cannot be read: %s", dir, reason(err))}}
	}
	defer root.Close()
	info, err := root.Stat(WaiversFile)
	if err == nil && info.Size() > maxWaivers {
		return nil, gateway.Faults{{Code: gateway.CodeTooLarge, Place: gateway.Place{File: WaiversFile}, Message: "the file of waivers is larger than 1 MiB: leave some out"}}
	}
	var text []byte
	if err == nil {
		text, err = fs.ReadFile(root.FS(), WaiversFile)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, gateway.Faults{{Code: gateway.CodeFile, Place: gateway.Place{File: WaiversFile}, Message: "the waivers cannot be read: " + reason(err)}}
	}
	return readWaivers(text)
}

func readWaivers(text []byte) ([]Waiver, gateway.Faults) {
	var faults gateway.Faults
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil || len(root.Content) == 0 {
		return nil, append(faults, gateway.Fault{
			Code: gateway.CodeSyntax, Place: gateway.Place{File: WaiversFile, Line: 1}, Message: "the waivers cannot be read as YAML: write schema: 1, and waivers: with a list",
		})
	}
	var doc waiversDocument
	d := &decoder{records: map[reflect.Type]*record{}, report: func(code gateway.Code, n *yaml.Node, at *field, message string) {
		faults = append(faults, gateway.Fault{
			Code: code, Place: gateway.Place{File: WaiversFile, Line: n.Line, Column: n.Column}, Field: at.String(), Message: message,
		})
	}}
	d.value(root.Content[0], reflect.ValueOf(&doc).Elem(), nil, nil)
	if len(faults) > 0 {
		return nil, faults.Sort()
	}
	spots := spotsOf(root.Content[0])
	var waivers []Waiver
	for i, w := range doc.Waivers {
		line, column := spots.find(fmt.Sprintf("waivers[%d]", i))
		waivers = append(waivers, Waiver{
			Rule: string(w.Rule), Object: w.Object, Field: w.Field, Reason: w.Reason, Until: w.Until.Time,
			Place: gateway.Place{File: WaiversFile, Line: line, Column: column},
		})
	}
	return waivers, nil
}
