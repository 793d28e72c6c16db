package authz_test

import (
	"testing"
)

func BenchmarkCheck(b *testing.B) {
	rev := quickstart(b)
	service := newService(patient)
	service.Use(compiled(b, rev, nil))
	check := envoyCheck(b, rev.Routes[0].Rules, "GET", "/payments/alice?limit=10", aliceClaims())
	b.ReportAllocs()
	for b.Loop() {
		response, err := service.Check(b.Context(), check)
		if err != nil || response.GetOkResponse() == nil {
			b.Fatal(response, err)
		}
	}
}
