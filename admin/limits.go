package admin

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Limits knows what limits admit, and what was spent from them.
type Limits interface {
	// Limits returns the limits of the configuration in use, in order of their ids.
	Limits(ctx context.Context) ([]Limit, error)
	// Bucket returns how one bucket of a limit stands. The error wraps ErrNotFound where there is no such limit, ErrRefused where the
	// values are not those of its key.
	Bucket(ctx context.Context, b BucketName) (Bucket, error)
	// ResetBucket forgets what was spent from a bucket.
	ResetBucket(ctx context.Context, b BucketName) (Bucket, error)
	// GrantBucket lets a bucket admit more, until its windows have passed.
	GrantBucket(ctx context.Context, b BucketName, amount int64) (Bucket, error)
	// TopBuckets returns buckets that are close to their limit, or over it, the closest first.
	TopBuckets(ctx context.Context, most int) ([]TopBucket, error)
}

// Limit is a limit of the configuration, and what was counted for it since this replica started.
type Limit struct {
	ID           string   `json:"id" doc:"Whose requests it counts, and its name: payments/v1/per-customer"`
	Key          []string `json:"key" nullable:"false" doc:"What it is counted by, in the order of values; empty: all requests together"`
	Windows      []string `json:"windows" nullable:"false" doc:"What it admits, in words"`
	Mode         string   `json:"mode" enum:"enforce,shadow"`
	Enforce      string   `json:"enforce" enum:"exact,distributed" doc:"Who counts: Gatehouse, or each Envoy its share"`
	Routes       int      `json:"routes" doc:"How many routes have it"`
	Spent        uint64   `json:"spent" doc:"Sum of costs"`
	Refused      uint64   `json:"refused"`
	WouldRefuse  uint64   `json:"would_refuse" doc:"In mode shadow"`
	Near         uint64   `json:"near" doc:"Admitted with less than a fifth of the limit left"`
	LetThrough   uint64   `json:"let_through" doc:"While its store could not be asked"`
	UnknownCosts uint64   `json:"unknown_costs" doc:"Requests whose cost was to be a number and was none: they cost 1"`
}

// BucketName names a bucket: a limit, and a value for each part of its key.
type BucketName struct {
	Limit  string   `json:"limit" minLength:"1" maxLength:"400" doc:"The limit's id, as listLimits tells it"`
	Values []string `json:"values,omitempty" maxItems:"16" doc:"A value for each part of its key, in that order"`
}

// Bucket is how a bucket stands.
type Bucket struct {
	BucketName

	Windows []BucketWindow `json:"windows" nullable:"false"`
}

// BucketWindow is how one window of a bucket stands.
type BucketWindow struct {
	Window    string `json:"window" doc:"What it admits, in words"`
	Limit     int64  `json:"limit"`
	Spent     int64  `json:"spent" doc:"Below 0 where more was granted than was spent"`
	Remaining int64  `json:"remaining"`
	Reset     int64  `json:"reset" doc:"Seconds until more remains; 0 where nothing is spent"`
}

// TopBucket is a bucket that is close to its limit.
type TopBucket struct {
	BucketName

	Used  float64   `json:"used" doc:"Part of the limit that was spent at the last request: 1 is all of it"`
	Over  bool      `json:"over" doc:"The last request was refused, or would have been in mode shadow"`
	Times uint64    `json:"times" doc:"How often it was seen close to its limit or over it, at most"`
	Seen  time.Time `json:"seen" doc:"When last"`
	Reset int64     `json:"reset" doc:"Seconds until more remains"`
}

// bucketQuery names a bucket, as it travels.
type bucketQuery struct {
	Limit  string   `query:"limit" required:"true" minLength:"1" maxLength:"400" doc:"The limit's id, as listLimits tells it"`
	Values []string `query:"value,explode" maxItems:"16" doc:"A value for each part of its key, in that order"`
}

// topQuery says how many are wanted.
type topQuery struct {
	Most int `query:"most" minimum:"1" maximum:"500" default:"20" doc:"How many"`
}

// bucketGrant is how much more a bucket is to admit.
type bucketGrant struct {
	BucketName

	Amount int64 `json:"amount" minimum:"1" maximum:"1000000000" doc:"How much more it admits, until its windows have passed"`
}

// limitsAnswer, bucketAnswer and topAnswer are what the operations answer.
type (
	limitsAnswer struct {
		Body struct {
			Limits []Limit `json:"limits" nullable:"false"`
		}
	}
	bucketAnswer struct{ Body Bucket }
	topAnswer    struct {
		Body struct {
			Buckets []TopBucket `json:"buckets" nullable:"false"`
		}
	}
)

// describeLimits registers the operations about limits.
func (o *Options) describeLimits(api huma.API) {
	refusals := []int{http.StatusNotFound, http.StatusUnprocessableEntity, http.StatusServiceUnavailable}
	huma.Register(api, huma.Operation{
		OperationID: "listLimits", Method: http.MethodGet, Path: "/v1/limits",
		Summary: "The limits of the configuration in use, with what this replica counted for them",
	}, func(ctx context.Context, _ *struct{}) (*limitsAnswer, error) {
		found, err := o.Limits.Limits(ctx)
		answer := &limitsAnswer{}
		answer.Body.Limits = append([]Limit{}, found...)
		return answer, asProblem(err)
	})
	huma.Register(api, huma.Operation{
		OperationID: "listTopBuckets", Method: http.MethodGet, Path: "/v1/limits/top",
		Summary: "Who is close to a limit, or over it, as far as this replica was asked",
	}, func(ctx context.Context, q *topQuery) (*topAnswer, error) {
		found, err := o.Limits.TopBuckets(ctx, q.Most)
		answer := &topAnswer{}
		answer.Body.Buckets = append([]TopBucket{}, found...)
		return answer, asProblem(err)
	})
	huma.Register(api, huma.Operation{
		OperationID: "getBucket", Method: http.MethodGet, Path: "/v1/limits/bucket",
		Summary: "How one bucket of a limit stands", Errors: refusals,
	}, func(ctx context.Context, q *bucketQuery) (*bucketAnswer, error) {
		found, err := o.Limits.Bucket(ctx, BucketName(*q))
		return &bucketAnswer{found}, asProblem(err)
	})
	huma.Register(api, huma.Operation{
		OperationID: "resetBucket", Method: http.MethodPost, Path: "/v1/limits/reset",
		Summary: "Forget what was spent from a bucket", Errors: refusals,
	}, func(ctx context.Context, in *struct{ Body BucketName }) (*bucketAnswer, error) {
		note(ctx).changed(in.Body.Limit, in.Body.Limit, "one bucket was reset")
		found, err := o.Limits.ResetBucket(ctx, in.Body)
		return &bucketAnswer{found}, asProblem(err)
	})
	huma.Register(api, huma.Operation{
		OperationID: "grantBucket", Method: http.MethodPost, Path: "/v1/limits/grant",
		Summary: "Let a bucket admit more than its limit, until its windows have passed", Errors: refusals,
	}, func(ctx context.Context, in *struct{ Body bucketGrant }) (*bucketAnswer, error) {
		note(ctx).changed(in.Body.Limit, in.Body.Limit, fmt.Sprintf("one bucket was granted %d", in.Body.Amount))
		found, err := o.Limits.GrantBucket(ctx, in.Body.BucketName, in.Body.Amount)
		return &bucketAnswer{found}, asProblem(err)
	})
}
