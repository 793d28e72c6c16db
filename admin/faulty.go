package admin

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gatehouse/gatehouse/gateway"
)

// FaultyError is a refusal (ErrRefused) of documents for their faults. The client returns the same error that the daemon did.
type FaultyError struct {
	Reason string // In one line.
	Faults gateway.Faults
}

// Error returns the reason, and below it each fault with its place.
func (e *FaultyError) Error() string {
	if len(e.Faults) == 0 {
		return e.Reason
	}
	return e.Reason + "\n" + e.Faults.Error()
}

// Unwrap returns ErrRefused.
func (e *FaultyError) Unwrap() error { return ErrRefused }

// Is reports whether the status stands for one of the reasons why something is not done.
func (e *refusedError) Is(target error) bool {
	switch e.status {
	case http.StatusNotFound:
		return target == ErrNotFound || target == ErrUnknown
	case http.StatusConflict:
		return target == ErrConflict
	case http.StatusUnprocessableEntity:
		return target == ErrRefused
	case http.StatusServiceUnavailable:
		return target == ErrUnable
	}
	return false
}

// refusal returns what a problem document says, with the faults that it lists.
func refusal(status int, body []byte) error {
	var p struct {
		Detail string `json:"detail"`
		Errors []struct {
			huma.ErrorDetail
			Value json.RawMessage `json:"value"`
		} `json:"errors"`
	}
	if err := json.Unmarshal(body, &p); err != nil || p.Detail == "" {
		return &refusedError{status: status, detail: fmt.Sprintf("the management API answers %d", status)}
	}
	var faults gateway.Faults
	for _, e := range p.Errors {
		var f gateway.Fault
		if json.Unmarshal(e.Value, &f) == nil && f.Code != "" && f.Message != "" {
			faults = append(faults, f)
			continue
		}
		p.Detail += "; " + e.Error()
	}
	if len(faults) > 0 {
		return &FaultyError{Reason: p.Detail, Faults: faults}
	}
	return &refusedError{status: status, detail: p.Detail}
}
