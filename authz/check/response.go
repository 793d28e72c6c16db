package check

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
)

// Response is a CheckResponse that writes itself where it allows; package proto writes what refuses.
type Response struct{ *authv3.CheckResponse }

// Fields of CheckResponse and OkHttpResponse (envoy/service/auth/v3/external_auth.proto), google.rpc.Status, HeaderValueOption and
// HeaderValue (envoy/config/core/v3/base.proto), and BoolValue (google/protobuf/wrappers.proto).
const (
	responseStatus   = 1
	responseOK       = 3
	responseMetadata = 4

	statusCode = 1

	okHeaders  = 2
	okRemove   = 5
	okToClient = 6

	optionHeader = 1
	optionAppend = 2
	optionAction = 3
	optionKeep   = 4

	headerKey   = 1
	headerValue = 2

	wrapped = 1
)

// AppendWire appends the message to a slice. It returns false, and whatever slice, where the message holds what allowing answers
// rarely hold, and for what package proto would not write.
func (a Response) AppendWire(to []byte) ([]byte, bool) {
	ok, s := a.GetOkResponse(), a.GetStatus()
	switch {
	case ok == nil, s == nil, s.GetMessage() != "", len(s.GetDetails()) > 0,
		ok.GetDynamicMetadata() != nil, len(ok.GetQueryParametersToSet()) > 0, len(ok.GetQueryParametersToRemove()) > 0: //nolint:staticcheck // Nobody sets the first any more.
		return to, false
	}
	w := writer{to: to}
	at := w.open(responseStatus)
	w.number(statusCode, uint64(s.GetCode())) //nolint:gosec // How int32 is written.
	w.shut(at)
	at = w.open(responseOK)
	w.options(okHeaders, ok.GetHeaders())
	for _, name := range ok.GetHeadersToRemove() {
		w.text(okRemove, name)
	}
	w.options(okToClient, ok.GetResponseHeadersToAdd())
	w.shut(at)
	if m := a.GetDynamicMetadata(); m != nil {
		at = w.open(responseMetadata)
		w.object(m)
		w.shut(at)
	}
	return w.to, !w.failed
}

// options appends headers.
func (w *writer) options(field uint64, list []*corev3.HeaderValueOption) {
	for _, o := range list {
		at := w.open(field)
		if h := o.GetHeader(); h != nil {
			w.failed = w.failed || len(h.GetRawValue()) > 0
			in := w.open(optionHeader)
			w.filled(headerKey, h.GetKey())
			w.filled(headerValue, h.GetValue())
			w.shut(in)
		}
		if appends := o.GetAppend(); appends != nil { //nolint:staticcheck // Envoy's filter reads it.
			in := w.open(optionAppend)
			w.truth(wrapped, appends.GetValue())
			w.shut(in)
		}
		w.number(optionAction, uint64(o.GetAppendAction())) //nolint:gosec // How an enumeration is written.
		w.truth(optionKeep, o.GetKeepEmptyValue())
		w.shut(at)
	}
}
