package config

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/invopop/jsonschema"
	"go.yaml.in/yaml/v4"

	"github.com/gatehouse/gatehouse/gateway"
)

// Bounds of what a Policy may say about its evaluation.
const (
	minPolicyLimit = time.Millisecond
	maxPolicyLimit = 10 * time.Second
)

// engine reads what a Policy says about how it is evaluated and what it is evaluated with.
func (d *policyDocument) engine(o *object, p *gateway.Policy) {
	p.Imports = sortedTexts(each(d.Imports, func(n name) string { return string(n) }))
	p.Hosts = sortedTexts(each(d.Hosts, func(h hostPort) string { return string(h) }))
	p.Limit = time.Duration(d.Limit)
	if p.Limit != 0 && (p.Limit < minPolicyLimit || p.Limit > maxPolicyLimit) {
		o.fault(gateway.CodeBadValue, "limit", "an evaluation may take from %s to %s: write a duration between them", minPolicyLimit, maxPolicyLimit)
	}
	for _, at := range slices.Sorted(maps.Keys(d.DataFiles)) {
		d.dataFile(o, p, at, string(d.DataFiles[at]))
	}
	if d.Descriptors != "" {
		if text, _, ok := o.load.include(o, "descriptors", string(d.Descriptors)); ok {
			p.Descriptors = text
		}
	}
}

// dataFile reads one file of data.
func (d *policyDocument) dataFile(o *object, p *gateway.Policy, at, named string) {
	field := "data-files." + at
	for part := range strings.SplitSeq(at, ".") {
		if part == "" || !every(part, func(c byte) bool { return wordCharacter(c) || c == '-' }) {
			o.fault(gateway.CodeBadValue, field, "%q is no path into data: write names of letters, digits and underscores with dots between, as in bank.accounts", at)
			return
		}
	}
	text, file, ok := o.load.include(o, field, named)
	if !ok {
		return
	}
	value, line, err := dataJSON(file, text)
	if err != nil {
		o.report(gateway.CodeSyntax, gateway.Place{File: file, Line: line}, field, fmt.Sprintf("the data cannot be read: %v", err))
		return
	}
	sum := sha256.Sum256(value)
	p.DataFiles = append(p.DataFiles, gateway.DataFile{At: at, File: file, Sum: hex.EncodeToString(sum[:]), JSON: value})
}

// dataJSON returns the content of a file of data as JSON. The error comes with the line it is of, 0 where that is unknown.
func dataJSON(file string, text []byte) (value []byte, line int, err error) {
	if path.Ext(file) == ".json" {
		if json.Valid(text) {
			return text, 0, nil
		}
		var ignored any
		err = json.Unmarshal(text, &ignored)
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			line = 1 + bytes.Count(text[:min(int(syntax.Offset), len(text))], []byte("\n"))
		}
		return nil, line, err
	}
	var tree any
	if err := yaml.Unmarshal(text, &tree); err != nil {
		return nil, 1, errors.New(strings.ReplaceAll(err.Error(), "\n", " "))
	}
	value, err = json.Marshal(tree)
	if err != nil {
		return nil, 1, fmt.Errorf("what JSON cannot express stands in it: %w", err)
	}
	return value, 0, nil
}

// hostPort is the name or address of a host, with a port or without.
type hostPort string

const hostPortForm = `^[A-Za-z0-9.-]+(:[0-9]+)?$|^\[[0-9A-Fa-f:]+\](:[0-9]+)?$`

func (v *hostPort) parse(text string) error {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		host, port = strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"), ""
	}
	if port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return fmt.Errorf("%q has no port from 1 to 65535: write a host or host:port, as in risk.bank.test:8443", text)
		}
	}
	if net.ParseIP(host) == nil && (host == "" || !every(host, func(c byte) bool { return wordCharacter(c) && c != '_' || c == '.' || c == '-' })) {
		return fmt.Errorf("%q is no host: write a name or an address, as in risk.bank.test or 10.1.2.3:8080", text)
	}
	*v = hostPort(strings.ToLower(text))
	return nil
}

func (hostPort) JSONSchema() *jsonschema.Schema {
	return pattern(hostPortForm, "risk.bank.test", "10.1.2.3:8080")
}
