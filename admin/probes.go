package admin

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// alive answers as long as the process can.
func alive(w http.ResponseWriter, _ *http.Request) {
	write(w, "application/json", http.StatusOK, []byte(`{"status":"alive"}`+"\n"))
}

// ready answers 200 when a revision is compiled and served, and otherwise 503 with the reason.
func (o *Options) ready(w http.ResponseWriter, _ *http.Request) {
	if err := o.Ready.Ready(); err != nil {
		problem(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	write(w, "application/json", http.StatusOK, []byte(`{"status":"ready"}`+"\n"))
}

// problem answers with a problem document (RFC 9457), in the form of the API's other errors.
func problem(w http.ResponseWriter, status int, detail string) {
	body, err := json.Marshal(huma.ErrorModel{Title: http.StatusText(status), Status: status, Detail: detail})
	if err != nil { // Text and numbers can always be written.
		http.Error(w, detail, status)
		return
	}
	write(w, "application/problem+json", status, append(body, '\n'))
}

// write answers with a body. That the client is gone by then is nobody's fault.
func write(w http.ResponseWriter, mediaType string, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", mediaType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// absent answers for what the multiplexer does not serve, an unknown path or method.
func absent(w http.ResponseWriter, r *http.Request, mux *http.ServeMux) {
	if allow := allowed(mux, r); allow != "" {
		w.Header().Set("Allow", allow)
		problem(w, http.StatusMethodNotAllowed, "this path takes "+allow)
		return
	}
	problem(w, http.StatusNotFound, "nothing is served at "+r.URL.Path+"; /openapi.json lists what is")
}

// allowed returns the methods that a path takes, empty where nothing is served there.
func allowed(mux *http.ServeMux, r *http.Request) string {
	var methods []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
		probe := *r
		probe.Method = method
		if _, pattern := mux.Handler(&probe); pattern == "" {
			continue
		}
		methods = append(methods, method)
		if method == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
	}
	return strings.Join(methods, ", ")
}
