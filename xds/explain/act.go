package explain

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/gatehouse/gatehouse/gateway"
)

// Told is what becomes of a request that is let through.
type Told struct {
	Path     string   `json:"path,omitempty"`     // What the upstream is asked for, without query; empty where that is the path of the request.
	Host     string   `json:"host,omitempty"`     // The host that the upstream is asked for; empty where that is the host of the request.
	Location string   `json:"location,omitempty"` // Where the client is sent, without query; what only the request tells stands in capitals.
	Mirrors  []string `json:"mirrors,omitempty"`  // Who gets copies, with the share of requests.
	Split    string   `json:"split,omitempty"`    // By what requests are shared out.
	Body     string   `json:"body,omitempty"`     // What the answer is, in words.
	Pages    []string `json:"pages,omitempty"`    // Statuses whose bodies are pages of the API or the Gateway.
}

// does names the action of a route that lets requests through.
func does(r *gateway.Route) string {
	switch {
	case r.Redirect != nil:
		return fmt.Sprintf("redirect %d", r.Redirect.Status)
	case r.Respond != nil:
		return fmt.Sprintf("answer %d", r.Respond.Status)
	}
	return "forward"
}

// told says what a route makes of the request.
func (r request) told(x *gateway.Route) Told {
	var out Told
	pages := x.Pages
	if pages == nil && x.Gateway != nil {
		pages = x.Gateway.Pages
	}
	for _, p := range pages {
		out.Pages = append(out.Pages, p.Status)
	}
	if x.Action != gateway.ActionForward {
		return out
	}
	switch {
	case x.Redirect != nil:
		out.Location = r.location(x)
		return out
	case x.Respond != nil:
		out.Body = "no body"
		if x.Respond.Body != "" {
			out.Body = fmt.Sprintf("%d bytes of %s", len(x.Respond.Body), x.Respond.Type)
		}
		return out
	}
	if change, ok := x.NewPath(); ok {
		out.Path = change.Of(r.path)
	}
	if x.Rewrite != nil && x.Rewrite.Host != "" {
		out.Host = x.Rewrite.Host
	}
	for _, m := range x.Mirrors {
		out.Mirrors = append(out.Mirrors, m.Upstream.Name+" "+strconv.FormatFloat(m.Percent, 'f', -1, 64)+"%")
	}
	if s := x.Split; s != nil && len(x.Targets) > 1 {
		out.Split = strings.TrimSpace("header " + s.Header)
		if s.Cookie != "" {
			out.Split = "cookie " + s.Cookie
		}
	}
	return out
}

// location returns where a redirect leads. A port that neither says stays that of the request, where the host does.
func (r request) location(x *gateway.Route) string {
	to := x.Redirect
	scheme, host, path := to.Scheme, to.Host, r.path
	if scheme == "" {
		scheme = "SCHEME"
	}
	if host == "" {
		if host = r.host; r.port != 0 && to.Port == 0 {
			host = net.JoinHostPort(host, strconv.Itoa(r.port))
		}
	}
	if to.Port != 0 {
		host = net.JoinHostPort(host, strconv.Itoa(to.Port))
	}
	if to.Path != nil {
		path = to.Path.Substitute(x.Match.Path).Of(r.path)
	}
	return scheme + "://" + host + path
}
