package authz

import (
	"fmt"
	"regexp/syntax"
	"strings"
	"unicode"
	"unicode/utf8"
)

// mostInstructions bounds an expression as Go compiles it. Envoy's compiler makes a few times as many of one.
const mostInstructions = 200

// The expressions of a predicate are over bytes, as those of Envoy are: manyBytes is one character beyond ASCII.
const manyBytes = `[\xc0-\xff][\x80-\xbf]*`

// wholeText returns an expression over bytes that holds of a text as a whole exactly where the given one is found in it. Go's
// and Envoy's expressions are the same RE2, but Go's are over characters. What depends on tables of Unicode, which differ by
// version, is left out.
func wholeText(pattern string) (whole, why string) {
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return "", "it uses a regular expression that cannot be read"
	}
	compiled, err := syntax.Compile(parsed.Simplify())
	if err != nil || len(compiled.Inst) > mostInstructions {
		return "", "it uses a large regular expression"
	}
	p := printer{}
	if !p.print(parsed) {
		return "", "it uses a regular expression that Envoy reads otherwise"
	}
	return `(?s:.*)(?:` + p.String() + `)(?s:.*)`, ""
}

// printer writes an expression over bytes.
type printer struct{ strings.Builder }

// print writes an expression; false where it has no equal over bytes.
func (p *printer) print(re *syntax.Regexp) bool {
	if plain := map[syntax.Op]string{
		syntax.OpEmptyMatch: `(?:)`, syntax.OpBeginText: `\A`, syntax.OpEndText: `\z`,
		syntax.OpAnyChar:      `(?:[\x00-\x7f]|` + manyBytes + `)`,
		syntax.OpAnyCharNotNL: `(?:[\x00-\x09\x0b-\x7f]|` + manyBytes + `)`,
	}[re.Op]; plain != "" {
		p.WriteString(plain)
		return true
	}
	switch re.Op {
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase != 0 {
			return false
		}
		p.WriteString(`(?:`)
		for _, c := range re.Rune {
			p.WriteString(bytesOf(string(c)))
		}
		p.WriteByte(')')
		return true
	case syntax.OpCharClass:
		return p.class(re.Rune)
	case syntax.OpCapture:
		return p.print(re.Sub[0])
	case syntax.OpConcat, syntax.OpAlternate:
		return p.several(re)
	case syntax.OpStar, syntax.OpPlus, syntax.OpQuest, syntax.OpRepeat:
		return p.repeated(re)
	}
	return false // Lines, and borders of words.
}

func (p *printer) several(re *syntax.Regexp) bool {
	p.WriteString(`(?:`)
	for i, sub := range re.Sub {
		if i > 0 && re.Op == syntax.OpAlternate {
			p.WriteByte('|')
		}
		if !p.print(sub) {
			return false
		}
	}
	p.WriteByte(')')
	return true
}

func (p *printer) repeated(re *syntax.Regexp) bool {
	p.WriteString(`(?:`)
	if !p.print(re.Sub[0]) {
		return false
	}
	p.WriteByte(')')
	switch {
	case re.Op == syntax.OpStar:
		p.WriteByte('*')
	case re.Op == syntax.OpPlus:
		p.WriteByte('+')
	case re.Op == syntax.OpQuest:
		p.WriteByte('?')
	case re.Max < 0:
		fmt.Fprintf(p, "{%d,}", re.Min)
	default:
		fmt.Fprintf(p, "{%d,%d}", re.Min, re.Max)
	}
	return true
}

// class writes one of a set of characters, in which are all beyond ASCII or none of them.
func (p *printer) class(ranges []rune) bool {
	var ascii strings.Builder
	beyond := false
	for i := 0; i+1 < len(ranges); i += 2 {
		low, high := ranges[i], ranges[i+1]
		if high > unicode.MaxASCII {
			if low > unicode.MaxASCII+1 || high != unicode.MaxRune {
				return false
			}
			beyond, high = true, unicode.MaxASCII
		}
		if low <= unicode.MaxASCII {
			fmt.Fprintf(&ascii, `\x%02x-\x%02x`, low, high)
		}
	}
	switch {
	case ascii.Len() > 0 && beyond:
		p.WriteString(`(?:[` + ascii.String() + `]|` + manyBytes + `)`)
	case ascii.Len() > 0:
		p.WriteString(`[` + ascii.String() + `]`)
	case beyond:
		p.WriteString(`(?:` + manyBytes + `)`)
	default:
		return false
	}
	return true
}

// bytesOf returns an expression for a text, byte by byte.
func bytesOf(text string) string {
	var b strings.Builder
	for i := range len(text) {
		if c := text[i]; c < utf8.RuneSelf && (unicode.IsLetter(rune(c)) || unicode.IsDigit(rune(c))) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, `\x%02x`, c)
		}
	}
	return b.String()
}

// wordOf returns an expression for texts of which a word, between white space (unicode.IsSpace), is the given one; empty where it
// is no word.
func wordOf(word string) string {
	if strings.ContainsFunc(word, unicode.IsSpace) {
		return ""
	}
	const space = `(?:[\t\n\v\f\r ]|\xc2[\x85\xa0]|\xe1\x9a\x80|\xe2\x80[\x80-\x8a\xa8\xa9\xaf]|\xe2\x81\x9f|\xe3\x80\x80)`
	return `(?s:(?:.*` + space + `)?` + bytesOf(word) + `(?:` + space + `.*)?)`
}
