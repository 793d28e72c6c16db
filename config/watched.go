package config

import (
	"fmt"
	"io/fs"
	"os"
	"reflect"

	"go.yaml.in/yaml/v4"

	"github.com/gatehouse/gatehouse/gateway"
)

// maxEndpoints bounds the list of an endpoints file.
const maxEndpoints = 4096

// Watched reads files that are watched while the daemon runs, below the directory of the documents. What is wrong with such
// a file comes back as faults without an object.
type Watched struct{ Dir string }

// KeySet reads a key set (JWKS, RFC 7517), checked: public keys only.
func (w Watched) KeySet(file string) ([]byte, gateway.Faults) {
	text, faults := w.read(file)
	if len(faults) == 0 {
		faults = keySetFaults(file, text)
	}
	if len(faults) > 0 {
		return nil, faults
	}
	return text, nil
}

// Endpoints reads a list of endpoints; an empty list is no fault.
func (w Watched) Endpoints(file string) ([]gateway.Endpoint, gateway.Faults) {
	text, faults := w.read(file)
	if len(faults) > 0 {
		return nil, faults
	}
	return readEndpoints(file, text)
}

func (w Watched) read(file string) ([]byte, gateway.Faults) {
	root, err := os.OpenRoot(w.Dir)
	if err != nil {
		return nil, watchedFault(gateway.CodeFile, file, 0, 0, fmt.Sprintf("the directory of the documents cannot be read: %s", reason(err)))
	}
	defer root.Close()
	text, refused := readWatched(root.FS(), file)
	if refused != nil {
		return nil, watchedFault(refused.code, file, 0, 0, refused.text)
	}
	return text, nil
}

func readWatched(fsys fs.FS, file string) ([]byte, *refusal) {
	text, refused := readFile(fsys, file)
	if refused == nil && len(text) > maxWatchedBytes {
		refused = &refusal{code: gateway.CodeTooLarge, text: fmt.Sprintf("the file %s is larger than 1 MiB: write what is needed only", file)}
	}
	return text, refused
}

// maxWatchedBytes bounds a file that is read again and again.
const maxWatchedBytes = 1 << 20

// maxWatchedFaults bounds what is said about one watched file.
const maxWatchedFaults = 20

// watched reads a file of an object that is watched while the daemon runs: it is no part of the configuration's content. What is
// wrong with it stands among the documents' watched faults, as the object itself may be used with what is known from before.
func (o *object) watched(field, named string, check func(file string, text []byte) gateway.Faults) (file string, ok bool) {
	file, refused := resolve(o.file, named)
	if refused != nil {
		o.fault(refused.code, field, "%s", refused.text)
		return "", false
	}
	if o.load.handedIn(file) {
		return "", o.included(field, named, check)
	}
	if o.load.closed {
		o.fault(gateway.CodeFile, field, "there is no file %s among those that were handed in: add it", file)
		return "", false
	}
	o.load.outside[file] = true
	if o.load.watches[o.file] == nil {
		o.load.watches[o.file] = map[string]bool{}
	}
	o.load.watches[o.file][file] = true
	text, refused := readWatched(o.load.host(), file)
	var faults gateway.Faults
	if refused != nil {
		line, column := o.spots.find(field)
		faults = gateway.Faults{{Code: refused.code, Place: gateway.Place{File: o.file, Line: line, Column: column}, Message: refused.text}}
	} else {
		faults = check(file, text)
	}
	if len(faults) > 0 {
		o.load.passing[o.file] = true
	}
	for _, f := range faults {
		f.Object, f.Team, f.Field, f.Place.Source = o.ref, o.team, field, o.load.source
		o.load.docs.Watched = append(o.load.docs.Watched, f)
	}
	return file, true
}

// handedIn reports whether a file that would be watched is one of those that were handed in.
func (l *loader) handedIn(file string) bool {
	if l.source == "" {
		return false
	}
	_, err := fs.Stat(l.fsys, file)
	return err == nil
}

// host is where files of the daemon's host are: the directory itself, or the one below which a source finds them.
func (l *loader) host() fs.FS {
	if l.source == "" {
		return l.fsys
	}
	return &layers{FS: noFiles{}, below: l.below}
}

// included reads a file that was handed in, in the place of one that is watched: it is a part of the content.
func (o *object) included(field, named string, check func(file string, text []byte) gateway.Faults) bool {
	text, file, ok := o.load.include(o, field, named)
	if !ok {
		return false
	}
	o.present = append(o.present, file)
	faults := check(file, text)
	for _, f := range faults {
		o.report(f.Code, f.Place, field, f.Message)
	}
	return len(faults) == 0
}

func watchedFault(code gateway.Code, file string, line, column int, text string) gateway.Faults {
	return gateway.Faults{{Code: code, Place: gateway.Place{File: file, Line: line, Column: column}, Message: text}}
}

func keySetFaults(file string, text []byte) gateway.Faults {
	if err := checkKeySet(text); err != nil {
		return watchedFault(gateway.CodeKeySet, file, 1, 1, err.Error())
	}
	return nil
}

// readEndpoints reads a file of endpoints: a list as it stands in an Upstream. Nothing at all is a mistake, as the file may be
// half written; an empty list is meant.
func readEndpoints(file string, text []byte) ([]gateway.Endpoint, gateway.Faults) {
	var faults gateway.Faults
	report := func(code gateway.Code, line, column int, at, message string) {
		if len(faults) < maxWatchedFaults {
			faults = append(faults, gateway.Fault{Code: code, Place: gateway.Place{File: file, Line: line, Column: column}, Field: at, Message: message})
		}
	}
	roots, broken := trees(text)
	switch {
	case broken != nil:
		report(broken.code, broken.line, broken.column, "", broken.text)
		return nil, faults
	case len(roots) != 1:
		report(gateway.CodeWrongType, 1, 1, "", "the file holds no list of endpoints: write one, or [] where no endpoint is meant")
		return nil, faults
	}
	root := roots[0]
	if root.Kind == yaml.SequenceNode && len(root.Content) > maxEndpoints {
		report(gateway.CodeTooLarge, 1, 1, "", fmt.Sprintf("more than %d endpoints: leave some out", maxEndpoints))
		return nil, faults
	}
	d := &decoder{records: map[reflect.Type]*record{}, report: func(code gateway.Code, n *yaml.Node, at *field, message string) {
		report(code, n.Line, n.Column, at.String(), message)
	}}
	var fields []endpointFields
	d.value(root, reflect.ValueOf(&fields).Elem(), nil, nil)
	list := endpointsOf(fields, func(i int, e gateway.Endpoint) {
		n := root.Content[i]
		report(gateway.CodeDuplicate, n.Line, n.Column, fmt.Sprintf("[%d].address", i), fmt.Sprintf("the endpoint %s is written twice: remove one, or give it a weight", e.Address))
	})
	for i, e := range list {
		if e.Address != "" && !e.Literal() {
			n := root.Content[i]
			report(gateway.CodeBadValue, n.Line, n.Column, fmt.Sprintf("[%d].address", i), "a file of endpoints holds addresses, no host names: write an IP address, or the host name into the Upstream")
		}
	}
	if len(faults) > 0 {
		return nil, faults
	}
	return list, nil
}
