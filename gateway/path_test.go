package gateway_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/gateway"
)

func TestParsePath(t *testing.T) {
	for _, test := range []struct {
		text, shape, literal string
		exact, prefix        bool
	}{
		{text: "/", shape: "/", exact: true},
		{text: "/**", shape: "/**", prefix: true},
		{text: "/pay", shape: "/pay", literal: "/pay", exact: true},
		{text: "/pay/", shape: "/pay/", literal: "/pay/", exact: true},
		{text: "/pay/**", shape: "/pay/**", literal: "/pay", prefix: true},
		{text: "/pay/{id}", shape: "/pay/{}", literal: "/pay"},
		{text: "/{a}/lines/{b}/**", shape: "/{}/lines/{}/**", prefix: true},
		{text: "/files/{name}.json", shape: "/files/{}.json", literal: "/files"},
		{text: "/v1:run", shape: "/v1:run", literal: "/v1:run", exact: true},
	} {
		p, err := gateway.ParsePath(test.text)
		if err != nil {
			t.Errorf("ParsePath(%q): %v", test.text, err)
			continue
		}
		if p.String() != test.text || p.Shape() != test.shape || p.Literal() != test.literal ||
			p.Exact() != test.exact || p.Prefix != test.prefix {
			t.Errorf("ParsePath(%q) = %q, shape %q, literal %q, exact %v, prefix %v", test.text, p, p.Shape(), p.Literal(), p.Exact(), p.Prefix)
		}
	}
}

func TestParsePathRefuses(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"", "must begin with a slash"},
		{"pay", "must begin with a slash"},
		{"/pay?x=1", "conditions on the query"},
		{"/a//b", "empty segment"},
		{"/a/../b", "never arrives"},
		{"/a/*", "not a pattern"},
		{"/a/**/b", "not a pattern"},
		{"/{a", "without"},
		{"/a}", "without"},
		{"/{a}{b}", "one parameter"},
		{"/{a+b}", "must be named"},
		{"/{}", "must be named"},
		{"/{a}/{a}", "twice"},
		{"/a b", "percent-encoded"},
		{"/é", "percent-encoded"},
		{"/" + strings.Repeat("a", 4096), "at most"},
	} {
		if _, err := gateway.ParsePath(test.text); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("ParsePath(%q) = %v, want an error with %q", test.text, err, test.want)
		}
	}
}

func TestPathParameters(t *testing.T) {
	for _, test := range []struct {
		template, path string
		want           map[string]string
		ok             bool
	}{
		{"/", "/", nil, true},
		{"/", "/a", nil, false},
		{"/**", "/", nil, true},
		{"/**", "/a/b", nil, true},
		{"/pay", "/pay", nil, true},
		{"/pay", "/pay/", nil, false},
		{"/pay/", "/pay/", nil, true},
		{"/pay/**", "/pay", nil, true},
		{"/pay/**", "/pay/", nil, true},
		{"/pay/**", "/payroll", nil, false},
		{"/pay/{id}", "/pay/7", map[string]string{"id": "7"}, true},
		{"/pay/{id}", "/pay/", nil, false},
		{"/pay/{id}", "/pay/7/8", nil, false},
		{"/pay/{id}/**", "/pay/7/8", map[string]string{"id": "7"}, true},
		{"/f/a{n}.json", "/f/abc.json", map[string]string{"n": "bc"}, true},
		{"/f/a{n}.json", "/f/a.json", nil, false},
		{"/{a}/{b}", "/x/y", map[string]string{"a": "x", "b": "y"}, true},
		{"/{a}", "x", nil, false},
	} {
		p, err := gateway.ParsePath(test.template)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := p.Parameters(test.path)
		if ok != test.ok || (ok && !cmp.Equal(got, test.want)) {
			t.Errorf("%s: Parameters(%q) = %v, %v; want %v, %v", test.template, test.path, got, ok, test.want, test.ok)
		}
	}
}

// TestPathMeansItsExpression holds the two ways of matching together: ours, and the regular expression that Envoy gets.
func TestPathMeansItsExpression(t *testing.T) {
	template := rapid.StringMatching(`(/(a|b|ab|\{x\}|a\{y\}b)){0,3}(/\*\*|/)?`)
	path := rapid.StringMatching(`(/(a|b|ab|abb|)){1,4}`)
	rapid.Check(t, func(t *rapid.T) {
		text := template.Draw(t, "template")
		p, err := gateway.ParsePath(text)
		if err != nil {
			t.Skip("not a template")
		}
		request := path.Draw(t, "path")
		whole := regexp.MustCompile("^(?:" + p.Expression() + ")$")
		if got, want := p.Matches(request), whole.MatchString(request); got != want {
			t.Errorf("%q: Matches(%q) = %v, its expression %s says %v", text, request, got, whole, want)
		}
	})
}

func TestPathJoin(t *testing.T) {
	for _, test := range []struct{ base, path, want string }{
		{"", "/a", "/a"},
		{"/", "/a", "/a"},
		{"/pay", "/", "/pay"},
		{"/pay", "/{id}", "/pay/{id}"},
		{"/pay/v1", "/**", "/pay/v1/**"},
	} {
		p, err := gateway.ParsePath(test.path)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Join(test.base).String(); got != test.want {
			t.Errorf("%q below %q = %q, want %q", test.path, test.base, got, test.want)
		}
	}
	re, err := gateway.ParseRegexPath("/[0-9]+")
	if err != nil {
		t.Fatal(err)
	}
	if joined := re.Join("/p.y"); !joined.Matches("/p.y/12") || joined.Matches("/pay/12") || joined.Matches("/p.y/12/") {
		t.Errorf("the joined expression is %s", joined)
	}
	if joined := re.Join("/pay"); joined.Literal() != "/pay" || joined.Exact() || joined.Matches("/pay") || joined.String() != "~/pay(?:/[0-9]+)" {
		t.Errorf("the joined expression is %s below %q", joined, joined.Literal())
	}
}

// TestRegexPathBeginsWithASlash holds that no expression reaches beyond the base that it stands below: "/pay" below "/v1"
// must not match "/v1x".
func TestRegexPathBeginsWithASlash(t *testing.T) {
	t.Parallel()
	for text, good := range map[string]bool{
		"/[A-Z]{2}": true, "/a|/b": true, "(?i)/abc": true, "/": true, "^/a$": true,
		".*": false, "/a|b": false, "(/x)?": false, "[/]?x": false, "": false, "/(": false, "x/": false,
	} {
		if _, err := gateway.ParseRegexPath(text); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestParseRegexPath(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"", "1 to"},
		{strings.Repeat("a", 2000), "1 to"},
		{"/(", "cannot be read"},
		{"/(?=a)", "cannot be read"},
		{"/([a-z]{1,100}){1,9}", "repeat less"},
		{"/[0-9]{1,100}", ""},
	} {
		_, err := gateway.ParseRegexPath(test.text)
		if (err == nil) != (test.want == "") || (err != nil && !strings.Contains(err.Error(), test.want)) {
			t.Errorf("ParseRegexPath(%.20q) = %v, want an error with %q", test.text, err, test.want)
		}
	}
}
