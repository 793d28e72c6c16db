package authz

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"github.com/gatehouse/gatehouse/envoy"
)

// RequestFile is a request that somebody wrote down to try policies on it.
type RequestFile struct {
	Method  string
	URL     string // With the host, where the request names one.
	Headers http.Header
	// Attributes are what Envoy would send of it.
	Attributes *attributes
	// Identity is input.gatehouse.identity, where the file has it.
	Identity map[string]any
}

// maxRequestFile bounds a request in a file, in bytes.
const maxRequestFile = 16 << 20

// ReadRequestFile reads a request in one of three forms: as HTTP/1.1 has it on the wire (RFC 9112), a blank line before its body; a
// CheckRequest as JSON, {"attributes": ...}; or an input document as decision logs have it, which may hold gatehouse.identity too.
func ReadRequestFile(text []byte) (*RequestFile, error) {
	if len(text) > maxRequestFile {
		return nil, fmt.Errorf("the request is larger than %d bytes", maxRequestFile)
	}
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		return readInput(text)
	}
	return readWire(text)
}

// readInput reads a CheckRequest or an input document.
func readInput(text []byte) (*RequestFile, error) {
	var input struct {
		Attributes json.RawMessage `json:"attributes"`
		Gatehouse  struct {
			Identity map[string]any `json:"identity"`
		} `json:"gatehouse"`
	}
	if err := json.Unmarshal(text, &input); err != nil {
		return nil, fmt.Errorf("the request is no JSON: %w", err)
	}
	if input.Attributes == nil {
		return nil, errors.New(`the request has no attributes: write {"attributes": {"request": {"http": {...}}}}, or the request as HTTP/1.1 has it`)
	}
	out := &RequestFile{Attributes: &attributes{}, Headers: http.Header{}, Identity: input.Gatehouse.Identity}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(input.Attributes, out.Attributes); err != nil {
		return nil, fmt.Errorf("the attributes are none of a CheckRequest: %w", err)
	}
	h := out.Attributes.GetRequest().GetHttp()
	out.Method, out.URL = h.GetMethod(), h.GetPath()
	if h.GetHost() != "" {
		out.URL = "http://" + h.GetHost() + h.GetPath()
	}
	for name, value := range headers(h) {
		out.Headers.Set(name, value)
	}
	if out.Method == "" || h.GetPath() == "" {
		return nil, errors.New("the attributes lack request.http.method or request.http.path")
	}
	return out, nil
}

// readWire reads a request as HTTP/1.1 has it, with line feeds alone too.
func readWire(text []byte) (*RequestFile, error) {
	head, body, _ := bytes.Cut(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")), []byte("\n\n"))
	wire := strings.ReplaceAll(strings.TrimRight(string(head), "\n"), "\n", "\r\n") + "\r\n\r\n"
	read, err := http.ReadRequest(bufio.NewReader(strings.NewReader(wire)))
	if err != nil {
		return nil, fmt.Errorf("the request is not as HTTP/1.1 has it (GET /path HTTP/1.1, then headers, a blank line and the body): %w", err)
	}
	_, _ = io.Copy(io.Discard, read.Body) // It is empty: what is behind the blank line was taken apart before.
	out := &RequestFile{Method: read.Method, URL: read.URL.RequestURI(), Headers: read.Header}
	if read.Host != "" {
		out.URL = "http://" + read.Host + read.URL.RequestURI()
	}
	lower := make(map[string]string, len(read.Header)+4)
	for name, values := range read.Header {
		lower[strings.ToLower(name)] = strings.Join(values, ",")
	}
	lower[":method"], lower[":path"], lower[":authority"], lower[":scheme"] = read.Method, read.URL.RequestURI(), read.Host, "http"
	out.Attributes = &attributes{
		Source: &peer{Address: &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
			Address: "127.0.0.1", PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: 40000},
		}}}},
		Request: &requestPart{Http: &httpRequest{
			Id: "trial", Method: read.Method, Path: read.URL.RequestURI(), Host: read.Host, Scheme: "http", Protocol: "HTTP/1.1",
			Headers: lower, Size: int64(len(body)), Body: string(body),
		}},
	}
	return out, nil
}

// Claims makes the request one whose caller showed a token with these claims, which Envoy verified.
func (f *RequestFile) Claims(claims map[string]any) error {
	values, err := structpb.NewStruct(claims)
	if err != nil {
		return fmt.Errorf("the claims are not JSON: %w", err)
	}
	verified := &structpb.Struct{Fields: map[string]*structpb.Value{envoy.MetadataJWTClaims: structpb.NewStructValue(values)}}
	f.Attributes.MetadataContext = &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{envoy.MetadataJWT: verified}}
	text := func(name string) string { s, _ := claims[name].(string); return s }
	scopes := []any{}
	for _, claim := range []string{"scope", "scp"} {
		switch value := claims[claim].(type) {
		case string:
			for s := range strings.FieldsSeq(value) {
				scopes = append(scopes, s)
			}
		case []any:
			scopes = append(scopes, value...)
		}
	}
	roles := []any{}
	for role := range (&identity{claims: values}).roles() {
		roles = append(roles, role)
	}
	f.Identity = map[string]any{
		"kind": "jwt", "issuer": text("iss"), "subject": text("sub"), "consumer": text("sub"), "scopes": scopes, "roles": roles, "claims": claims,
	}
	return nil
}

// CheckOf returns the call by which Envoy would ask about the request under a route's rules.
func (f *RequestFile) CheckOf(rules string) *authv3.CheckRequest {
	f.Attributes.ContextExtensions = map[string]string{envoy.KeyRules: rules}
	return &authv3.CheckRequest{Attributes: f.Attributes}
}
