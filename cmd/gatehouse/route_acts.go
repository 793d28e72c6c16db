package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"
)

// routeActs is what `gatehouse route add` is told about which requests are meant, and what becomes of them.
type routeActs struct {
	headers       []string
	cookies       []string
	redirect      string
	rewritePrefix string
	mirrors       []string
}

func (o *routeActs) flags(f *pflag.FlagSet) {
	f.StringArrayVar(&o.headers, "header", nil, "a header that requests must have, as `NAME=VALUE`, or NAME for any value; may be repeated")
	f.StringArrayVar(&o.cookies, "cookie", nil, "a cookie that requests must have, as `NAME=VALUE`, or NAME for any value; may be repeated")
	f.StringVar(&o.redirect, "redirect", "", "the `PATH` that clients are sent to, as in documents, in place of --to")
	f.StringVar(&o.rewritePrefix, "rewrite-prefix", "", "the `PATH` that takes the place of all that stands before /** on the way to the Upstream")
	f.StringSliceVar(&o.mirrors, "mirror", nil, "an `UPSTREAM` that gets copies, or UPSTREAM=PERCENT; may be repeated")
}

// wordless finds what has no name.
func (o *routeActs) wordless() error {
	for flag, words := range map[string][]string{"--header": o.headers, "--cookie": o.cookies, "--mirror": o.mirrors} {
		for _, w := range words {
			if name, _, _ := strings.Cut(w, "="); name == "" {
				return fmt.Errorf("%s %q has no name: %w", flag, w, errNameFirst)
			}
		}
	}
	return nil
}

var errNameFirst = errors.New("write it before the equals sign")

// conditions writes the conditions of the Route.
func (o *routeActs) conditions() []part {
	var out []part
	for _, x := range []struct {
		field string
		words []string
	}{{"headers", o.headers}, {"cookies", o.cookies}} {
		if len(x.words) == 0 {
			continue
		}
		var all []part
		for _, w := range x.words {
			name, value, _ := strings.Cut(w, "=")
			if value == "" {
				all = append(all, part{name, []part{{"present", true}}})
			} else {
				all = append(all, part{name, value})
			}
		}
		out = append(out, part{x.field, all})
	}
	return out
}

// acts writes what becomes of the requests.
func (o *routeActs) acts() []part {
	var out []part
	if o.redirect != "" {
		out = append(out, part{"redirect", []part{{"path", o.redirect}}})
	}
	if o.rewritePrefix != "" {
		out = append(out, part{"rewrite", []part{{"prefix", o.rewritePrefix}}})
	}
	if len(o.mirrors) == 0 {
		return out
	}
	list := make([][]part, len(o.mirrors))
	for i, w := range o.mirrors {
		name, percent, some := strings.Cut(w, "=")
		if list[i] = []part{{"upstream", name}}; some {
			list[i] = append(list[i], part{"percent", strings.TrimSuffix(percent, "%") + "%"})
		}
	}
	return append(out, part{"mirror", list})
}
