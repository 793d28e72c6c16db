package descriptors

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"

	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/gatehouse/gatehouse/gateway"
)

// maxBody bounds a request as JSON, in bytes.
const maxBody = 1 << 20

// ServeHTTP answers a RateLimitRequest written as JSON (protobuf's mapping), for callers that do not speak gRPC: 200 or 429 with the RateLimitResponse
// as JSON; 400 where the request makes no sense; 503 while the store is away.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		refuse(w, http.StatusBadRequest, gateway.ProblemBadRequest, "the request cannot be read, or is larger than 1 MiB")
		return
	}
	req := &rlsv3.RateLimitRequest{}
	if err := protojson.Unmarshal(body, req); err != nil {
		s.calls.Add(1)
		s.invalid.Add(1)
		refuse(w, http.StatusBadRequest, gateway.ProblemBadRequest, "the request is no RateLimitRequest as JSON")
		return
	}
	resp, err := s.ShouldRateLimit(r.Context(), req)
	switch status.Code(err) {
	case codes.OK:
	case codes.InvalidArgument:
		refuse(w, http.StatusBadRequest, gateway.ProblemBadRequest, status.Convert(err).Message())
		return
	default:
		refuse(w, http.StatusServiceUnavailable, gateway.ProblemLimitsAway, "the limits cannot be asked at the moment")
		return
	}
	text, err := protojson.Marshal(resp)
	var compact bytes.Buffer
	if err == nil {
		err = json.Compact(&compact, text) // protojson's blanks differ from build to build.
	}
	if err != nil {
		refuse(w, http.StatusInternalServerError, gateway.ProblemInternal, "the answer cannot be written")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if resp.GetOverallCode() == rlsv3.RateLimitResponse_OVER_LIMIT {
		w.WriteHeader(http.StatusTooManyRequests)
	}
	_, _ = compact.WriteTo(w) // Whoever asked is gone, or has it.
}

func refuse(w http.ResponseWriter, code int, name, detail string) {
	w.Header().Set("Content-Type", gateway.ProblemType)
	w.WriteHeader(code)
	_, _ = w.Write(gateway.NewProblem(code, name, detail).JSON()) // Whoever asked is gone, or has it.
}
