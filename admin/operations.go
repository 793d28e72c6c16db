package admin

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// operation is one thing that the API does, known by the pattern under which it is served.
type operation struct {
	id      string
	path    string
	public  bool // Anybody may.
	changes bool // It is a write: it is audited, and If-Match holds.
	plain   bool // Its answer is neither held back nor tagged.

	filled []string // Parameters of the query that say something where they are given: not texts, which may be empty.
}

// operations returns what is served, by pattern: what the document describes, and what it does not.
func operations(document *huma.OpenAPI) map[string]operation {
	all := map[string]operation{
		"GET /healthz":             {id: "alive", public: true, plain: true},
		"GET /readyz":              {id: "ready", public: true, plain: true},
		"GET /openapi.json":        {id: "getOpenAPI"},
		"GET /metrics":             {id: "getMetrics", plain: true},
		"GET /debug/pprof/":        {id: "profile", plain: true},
		"GET /debug/pprof/cmdline": {id: "profile", plain: true},
		"GET /debug/pprof/profile": {id: "profile", plain: true},
		"GET /debug/pprof/symbol":  {id: "profile", plain: true},
		"GET /debug/pprof/trace":   {id: "profile", plain: true},
	}
	for path, item := range document.Paths {
		for method, described := range methods(item) {
			all[method+" "+path] = operation{
				id: described.OperationID, path: path, changes: changes(method, described.OperationID), plain: described.OperationID == "watchEvents",
				filled: filled(described),
			}
		}
	}
	return all
}

// filled returns the parameters of a query that are no free texts.
func filled(described *huma.Operation) []string {
	var names []string
	for _, p := range described.Parameters {
		if p.In != "query" || p.Schema == nil {
			continue
		}
		free := p.Schema.Type == huma.TypeString && p.Schema.Format == "" && p.Schema.Pattern == "" && len(p.Schema.Enum) == 0 && p.Schema.MinLength == nil
		if !free && p.Schema.Type != huma.TypeArray {
			names = append(names, p.Name)
		}
	}
	return names
}

// hollow returns a parameter of the query that is given and says nothing, or is given twice: which of the two is meant, nobody knows.
func (o operation) hollow(r *http.Request) string {
	query := r.URL.Query()
	for _, name := range o.filled {
		if values, given := query[name]; given && (len(values) != 1 || values[0] == "") {
			return name
		}
	}
	return ""
}

// methods returns the operations of a path that are described.
func methods(item *huma.PathItem) map[string]*huma.Operation {
	found := map[string]*huma.Operation{}
	for method, described := range map[string]*huma.Operation{
		http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodPut: item.Put, http.MethodDelete: item.Delete, http.MethodPatch: item.Patch,
	} {
		if described != nil {
			found[method] = described
		}
	}
	return found
}

// changes reports whether an operation is a write. What reads is a GET, or needs a body to say what is to be read.
func changes(method, id string) bool {
	return method != http.MethodGet && !slices.Contains([]string{"planChange", "verifyAudit"}, id)
}

// parameter returns the first parameter in a path of the operation, "" where there is none.
func (o operation) parameter(path string) string {
	pattern, given := strings.Split(o.path, "/"), strings.Split(path, "/")
	for i, part := range pattern {
		if strings.HasPrefix(part, "{") && i < len(given) {
			value, err := url.PathUnescape(given[i])
			if err != nil {
				return ""
			}
			return value
		}
	}
	return ""
}

// resource returns the path under which what a write changes is read, by which If-Match is judged; "" where there is none.
func (o operation) resource(r *http.Request) string {
	switch o.id {
	case "applyChange", "rollBack":
		return "/v1/history/0"
	case "orderRollout":
		return "/v1/rollouts"
	}
	if reads := o.template(); reads != "" {
		return strings.TrimSuffix(r.URL.EscapedPath(), strings.TrimPrefix(o.path, reads))
	}
	return ""
}

// template returns the template of that path where it is the beginning of the write's own.
func (o operation) template() string {
	switch o.id {
	case "changeEndpoints":
		return o.path
	case "revokeAccess", "rotateAccess", "revokeApplication", "revokeKey", "rotateKey", "revokeToken", "retryNode", "revokeNode", "confirmEntry", "rotateRoot":
		return o.path[:strings.LastIndex(o.path, "/")]
	}
	return ""
}

// conditional reports whether If-Match means something to the operation.
func (o operation) conditional() bool {
	return o.changes && (o.template() != "" || slices.Contains([]string{"applyChange", "rollBack", "orderRollout"}, o.id))
}
