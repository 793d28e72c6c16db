package authz

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Bounds of what one call of a builtin function may be asked. Evaluation itself stops at its limit of time; within one
// call nothing does, so that a call must not be able to take long or to make much.
const (
	maxNodes  = 100_000 // Values in what a function reads, one that stands in it twice counted twice.
	maxBytes  = 4 << 20 // Of text in it.
	maxSplit  = 256 << 10
	maxParsed = 64 << 10
	maxNested = 256
	maxDigits = 512    // Of a number.
	maxShift  = 4096   // Bits.
	maxRange  = 50_000 // Numbers.
	maxPadded = 4096   // Characters to which one verb of a format may pad.
)

// guard says why a call may not be made; nil: it may.
type guard func(operands []*ast.Term) error

// guards returns the guards of builtin functions by name: those that read values to their last leaf (two values that hold
// the same one ten levels deep have a thousand leaves), those that make a list of a text, and those that make much of a number.
func guards() map[string]guard {
	deep := func(operands []*ast.Term) error { return weigh(maxNodes, maxBytes, operands...) }
	splits := func(operands []*ast.Term) error { return weigh(maxNodes, maxSplit, operands...) }
	parses := func(operands []*ast.Term) error { return weigh(maxNodes, maxParsed, operands...) }
	all := map[string]guard{
		"sprintf": checkFormat, "bits.lsh": checkShift, "numbers.range": checkRange, "numbers.range_step": checkRange,
		"json.unmarshal": checkNumbers, "yaml.unmarshal": splits, "to_number": checkNumbers, "mul": deep, "units.parse": checkNumbers, "units.parse_bytes": checkNumbers,
		"regex.globs_match": func(operands []*ast.Term) error { return weigh(maxNodes, maxNested, operands...) },
	}
	for _, name := range []string{
		"json.marshal", "json.marshal_with_options", "yaml.marshal", "urlquery.encode_object", "json.patch", "json.filter", "json.remove",
		"object.union", "object.union_n", "object.subset", "object.filter", "object.remove", "graph.reachable", "sort", "array.flatten",
		"json.verify_schema", "json.match_schema", "io.jwt.encode_sign", "internal.template_string", "concat", "providers.aws.sign_req",
		"crypto.x509.parse_certificates", "crypto.x509.parse_and_verify_certificates", "crypto.x509.parse_and_verify_certificates_with_options",
		"net.cidr_merge", "net.cidr_contains_matches", "print", "internal.print", "trace",
	} {
		all[name] = deep
	}
	for _, name := range []string{
		"split", "strings.split_n", "indexof_n", "regex.split", "regex.find_n", "regex.find_all_string_submatch_n", "yaml.is_valid", "strings.reverse",
	} {
		all[name] = splits
	}
	for _, name := range []string{
		"rego.parse_module", "graphql.parse", "graphql.parse_and_verify", "graphql.parse_query", "graphql.parse_schema", "graphql.is_valid", "graphql.schema_is_valid",
	} {
		all[name] = parses
	}
	for name := range all {
		if ast.BuiltinMap[name] == nil {
			delete(all, name)
		}
	}
	return all
}

// errTooMuch is told of a value that is too large for what is asked of it.
var errTooMuch = errors.New("the value is too large for this function")

// weigh reports values that hold more than so many values, or so many bytes of text, or that nest too deep.
func weigh(nodes, bytes int, terms ...*ast.Term) error {
	w := scale{nodes: nodes, bytes: bytes}
	for _, t := range terms {
		w.add(t.Value, maxNested)
	}
	if w.over {
		return errTooMuch
	}
	return nil
}

// scale adds up what values hold, until it is too much.
type scale struct {
	nodes, bytes int
	over         bool
}

func (w *scale) add(v ast.Value, levels int) {
	if w.over {
		return
	}
	w.nodes--
	switch v := v.(type) {
	case ast.String:
		w.bytes -= len(v)
	case ast.Number:
		w.bytes -= len(v)
		w.over = w.over || len(v) > maxDigits
	case *ast.Array:
		v.Until(func(t *ast.Term) bool { w.add(t.Value, levels-1); return w.over })
	case ast.Set:
		v.Until(func(t *ast.Term) bool { w.add(t.Value, levels-1); return w.over })
	case ast.Object:
		v.Until(func(k, t *ast.Term) bool { w.add(k.Value, levels-1); w.add(t.Value, levels-1); return w.over })
	}
	w.over = w.over || w.nodes < 0 || w.bytes < 0 || levels <= 0
}

// checkFormat keeps what a format pads within bounds.
func checkFormat(operands []*ast.Term) error {
	if err := weigh(maxNodes, maxBytes, operands...); err != nil {
		return err
	}
	format, _ := operands[0].Value.(ast.String)
	padded := 0
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			continue
		}
		for i++; i < len(format) && (isDigit(format[i]) || format[i] == '.' || format[i] == '-' || format[i] == '+' || format[i] == ' ' || format[i] == '#' || format[i] == '[' || format[i] == ']' || format[i] == '*'); i++ {
			from := i
			for i+1 < len(format) && isDigit(format[i]) && isDigit(format[i+1]) {
				i++
			}
			switch n, err := strconv.Atoi(string(format[from : i+1])); {
			case format[i] == '*':
				return errors.New("a width that is computed may be anything: write it as a number")
			case err == nil:
				padded += n
			case isDigit(format[i]):
				padded = maxPadded + 1
			}
		}
	}
	if padded > maxPadded {
		return fmt.Errorf("the format pads to more than %d characters", maxPadded)
	}
	return nil
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func checkShift(operands []*ast.Term) error {
	by, _ := operands[1].Value.(ast.Number)
	if n, ok := by.Int(); !ok || n > maxShift {
		return fmt.Errorf("a shift by more than %d bits", maxShift)
	}
	return weigh(maxNodes, maxBytes, operands...)
}

// checkRange keeps the first and the last number of a list so near to one another that the list stays short.
func checkRange(operands []*ast.Term) error {
	from, _ := operands[0].Value.(ast.Number)
	to, _ := operands[1].Value.(ast.Number)
	a, known := from.Int64()
	b, alsoKnown := to.Int64()
	if length := uint64(max(a, b)) - uint64(min(a, b)); !known || !alsoKnown || length > maxRange {
		return fmt.Errorf("a list of more than %d numbers", maxRange)
	}
	return nil
}

// checkNumbers refuses text with a number of more digits than any number needs: comparing it takes the square of its length.
func checkNumbers(operands []*ast.Term) error {
	text, ok := operands[0].Value.(ast.String)
	if !ok {
		return weigh(maxNodes, maxBytes, operands...)
	}
	if len(text) > maxBytes || longNumber(string(text)) {
		return errTooMuch
	}
	return nil
}

// longNumber reports whether a text of JSON holds more digits in a row, outside of what is quoted, than any number needs.
func longNumber(text string) bool {
	run, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted, run = !quoted, 0
		case quoted:
		case isDigit(c):
			if run++; run > maxDigits {
				return true
			}
		default:
			run = 0
		}
	}
	return false
}
