package descriptors

import (
	"math"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// kind is what a value is to the parser of envoyproxy/ratelimit, which reads YAML 1.1.
type kind int

const (
	kindText kind = iota
	kindNull
	kindBool
	kindInt
	kindOther // A number that its check of keys does not take: with a fraction, or beyond 64 bits.
	kindList
	kindMapping
)

// String names a kind for messages.
func (k kind) String() string {
	return [...]string{"text", "nothing", "true or false", "a whole number", "a number that is not whole", "a list", "a mapping"}[k]
}

// kindOf says what a node is. An alias is to be followed before.
func kindOf(n *yaml.Node) kind {
	switch n.Kind {
	case yaml.SequenceNode:
		return kindList
	case yaml.MappingNode:
		return kindMapping
	}
	const quoted = yaml.SingleQuotedStyle | yaml.DoubleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	if n.Style&quoted != 0 || n.Style&yaml.TaggedStyle != 0 {
		return kindText // The only tag that is read is !!str, see decoder.pairs.
	}
	return plainKind(n.Value)
}

// plainKind says what an unquoted scalar is by YAML 1.1, in which "yes" is true and 010 is eight.
func plainKind(text string) kind {
	switch text {
	case "", "~", "null", "Null", "NULL":
		return kindNull
	}
	if _, ok := boolean(text); ok {
		return kindBool
	}
	if !strings.ContainsAny(text[:1], "+-.0123456789") {
		return kindText
	}
	if _, ok := integer(text); ok {
		return kindInt
	}
	if fraction(text) {
		return kindOther
	}
	return kindText
}

// boolean reads the words that YAML 1.1 has for true and false.
func boolean(text string) (value, ok bool) {
	switch text {
	case "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON":
		return true, true
	case "n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF":
		return false, true
	}
	return false, false
}

// integer reads a whole number of at most 64 bits with sign, as YAML 1.1 writes it: with underscores, and to the base that its
// beginning says.
func integer(text string) (int64, bool) {
	plain := strings.ReplaceAll(text, "_", "")
	if n, err := strconv.ParseInt(plain, 0, 64); err == nil {
		return n, true
	}
	if digits, ok := strings.CutPrefix(plain, "-0b"); ok {
		n, err := strconv.ParseInt("-"+digits, 2, 64)
		return n, err == nil
	}
	if digits, ok := strings.CutPrefix(plain, "0b"); ok {
		n, err := strconv.ParseInt(digits, 2, 64)
		return n, err == nil
	}
	return 0, false
}

// fraction reports a number that integer does not read.
func fraction(text string) bool {
	switch strings.TrimLeft(text, "+-") {
	case ".inf", ".Inf", ".INF":
		return true
	}
	switch text {
	case ".nan", ".NaN", ".NAN":
		return true
	}
	plain := strings.ReplaceAll(text, "_", "")
	if _, err := strconv.ParseUint(plain, 0, 64); err == nil {
		return true
	}
	if text[0] == '.' {
		_, err := strconv.ParseFloat(text, 64)
		return err == nil
	}
	form := regexp.MustCompile(`^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`)
	_, err := strconv.ParseFloat(plain, 64)
	return form.MatchString(plain) && err == nil
}

// requests reads a number of requests; the message says what is wrong with it.
func requests(n *yaml.Node) (number uint32, wrong string) {
	switch k := kindOf(n); k {
	case kindNull:
		return 0, ""
	case kindInt:
		value, _ := integer(n.Value)
		if value < 0 || value > math.MaxUint32 {
			return 0, "write a number from 0 to 4294967295"
		}
		return uint32(value), ""
	default:
		return 0, "a whole number is meant here, this is " + k.String()
	}
}
