package admin

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// statusOf returns the HTTP status for the reason of an error.
func statusOf(err error) int {
	is := func(reasons ...error) bool {
		for _, reason := range reasons {
			if errors.Is(err, reason) {
				return true
			}
		}
		return false
	}
	switch {
	case is(ErrAwayStore, ErrHandedOver):
		return http.StatusServiceUnavailable
	case is(ErrNotFound, ErrUnknown, ErrNoToken):
		return http.StatusNotFound
	case is(ErrConflict, ErrNoJoining, ErrOwnAuthority):
		return http.StatusConflict
	case is(ErrRefused, ErrGrant):
		return http.StatusUnprocessableEntity
	case is(ErrUnable, ErrNoRevision):
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// asProblem returns what the caller of an order is told of an error; nil stays nil. An order that is not possible now (ErrUnable) is
// in conflict with what it is about: to try again helps nobody.
func asProblem(err error) error {
	if err == nil {
		return nil
	}
	status := statusOf(err)
	if status == http.StatusServiceUnavailable && errors.Is(err, ErrUnable) && !errors.Is(err, ErrAwayStore) {
		status = http.StatusConflict
	}
	return huma.NewError(status, err.Error())
}

// changeProblem returns what the caller of Changes or Endpoints is told of an error, with the faults that it is for. What is not
// possible now is so later.
func changeProblem(err error) error {
	if faulty, ok := errors.AsType[*FaultyError](err); ok {
		details := make([]error, len(faulty.Faults))
		for i, f := range faulty.Faults {
			details[i] = &huma.ErrorDetail{Message: fmt.Sprintf("%s: %s", f.Code, f.Message), Location: f.Place.String(), Value: f}
		}
		return huma.Error422UnprocessableEntity(faulty.Reason, details...)
	}
	status := statusOf(err)
	problem := huma.NewError(status, err.Error())
	if status == http.StatusServiceUnavailable {
		return huma.ErrorWithHeaders(problem, http.Header{soon()[0]: {soon()[1]}})
	}
	return problem
}
