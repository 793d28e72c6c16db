package admin

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Bounds of a request that carries the files of a source.
const (
	proposalBytes = 64 << 20
	proposalTime  = time.Minute
)

// describeChanges registers the operations about changes of the configuration.
func (o *Options) describeChanges(api huma.API) {
	writing := []int{http.StatusConflict, http.StatusUnprocessableEntity, http.StatusTooManyRequests, http.StatusServiceUnavailable}
	huma.Register(api, huma.Operation{
		OperationID: "planChange", Method: http.MethodPost, Path: "/v1/plan",
		Summary: "What a change of the configuration would do; nothing is changed",
		Errors:  writing, MaxBodyBytes: proposalBytes, BodyReadTimeout: proposalTime, SkipValidateBody: true,
	}, o.plan)
	huma.Register(api, huma.Operation{
		OperationID: "applyChange", Method: http.MethodPost, Path: "/v1/apply",
		Summary: "Change the configuration, and begin its rollout",
		Errors:  writing, MaxBodyBytes: proposalBytes, BodyReadTimeout: proposalTime, SkipValidateBody: true,
	}, o.apply)
	huma.Register(api, huma.Operation{
		OperationID: "rollBack", Method: http.MethodPost, Path: "/v1/rollback",
		Summary: "Make the content of an older entry the configuration again; what is observed stays as it is",
		Errors:  append([]int{http.StatusNotFound}, writing...),
	}, o.rollBack)
	huma.Register(api, huma.Operation{
		OperationID: "listHistory", Method: http.MethodGet, Path: "/v1/history",
		Summary: "Entries of the history, newest first", Errors: []int{http.StatusServiceUnavailable},
	}, o.history)
	huma.Register(api, huma.Operation{
		OperationID: "getEntry", Method: http.MethodGet, Path: "/v1/history/{number}",
		Summary: "One entry of the history; 0 is the one that is live",
		Errors:  []int{http.StatusNotFound, http.StatusServiceUnavailable},
	}, o.entry)
	huma.Register(api, huma.Operation{
		OperationID: "getDocuments", Method: http.MethodGet, Path: "/v1/history/{number}/documents",
		Summary: "The configuration of an entry, source by source",
		Errors:  []int{http.StatusNotFound, http.StatusServiceUnavailable},
	}, o.documents)
	huma.Register(api, huma.Operation{
		OperationID: "compareEntries", Method: http.MethodGet, Path: "/v1/compare",
		Summary: "What changes from one entry to another, in documents and for Envoys; 0 is the entry that is live",
		Errors:  []int{http.StatusNotFound, http.StatusServiceUnavailable},
	}, o.compare)
	describeProposals(api)
}

// planAnswer is a Plan.
type planAnswer struct{ Body Plan }

func (o *Options) plan(ctx context.Context, in *proposalBody) (*planAnswer, error) {
	proposal, err := in.read()
	if err != nil {
		return nil, err
	}
	if err := o.mayPropose(ctx, proposal.Source); err != nil {
		return nil, err
	}
	p, err := o.Changes.Plan(ctx, proposal)
	if err != nil {
		return nil, changeProblem(err)
	}
	return &planAnswer{p}, nil
}

// appliedAnswer is what became of a change.
type appliedAnswer struct{ Body Applied }

func (o *Options) apply(ctx context.Context, in *proposalBody) (*appliedAnswer, error) {
	proposal, err := in.read()
	if err != nil {
		return nil, err
	}
	if err := o.mayPropose(ctx, proposal.Source); err != nil {
		return nil, err
	}
	if err := bindTo(ctx, &proposal.Base); err != nil {
		return nil, err
	}
	a, err := o.Changes.Apply(ctx, proposal)
	if err != nil {
		return nil, changeProblem(err)
	}
	noteChange(ctx, a, proposal.Source)
	return &appliedAnswer{a}, nil
}

// rollbackBody is a Rollback as it travels.
type rollbackBody struct{ Body Rollback }

func (o *Options) rollBack(ctx context.Context, in *rollbackBody) (*appliedAnswer, error) {
	if err := bindTo(ctx, &in.Body.Base); err != nil {
		return nil, err
	}
	a, err := o.Changes.Rollback(ctx, in.Body)
	if err != nil {
		return nil, changeProblem(err)
	}
	noteChange(ctx, a, fmt.Sprintf("back to entry %d", in.Body.Entry))
	return &appliedAnswer{a}, nil
}

// noteChange tells the audit which entry was live before a change and is after it.
func noteChange(ctx context.Context, a Applied, detail string) {
	note(ctx).changed(strconv.FormatInt(a.Plan.Base, 10), strconv.FormatInt(a.Entry, 10), detail)
}

// historyQuery selects entries.
type historyQuery struct {
	Before int64 `query:"before" minimum:"0" doc:"Only entries with a lower number; 0: all"`
	Limit  int   `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}

// historyAnswer is a list of entries.
type historyAnswer struct {
	Body struct {
		Entries []Entry `json:"entries" nullable:"false"`
	}
}

func (o *Options) history(ctx context.Context, in *historyQuery) (*historyAnswer, error) {
	entries, err := o.Changes.History(ctx, in.Before, in.Limit)
	if err != nil {
		return nil, changeProblem(err)
	}
	answer := &historyAnswer{}
	answer.Body.Entries = append([]Entry{}, entries...)
	return answer, nil
}

// numberPath names an entry, or the one that is live.
type numberPath struct {
	Number int64 `path:"number" minimum:"0" doc:"REV; 0: the one that is live"`
}

// entryAnswer is an entry.
type entryAnswer struct{ Body Entry }

func (o *Options) entry(ctx context.Context, in *numberPath) (*entryAnswer, error) {
	e, err := o.Changes.Entry(ctx, in.Number)
	if err != nil {
		return nil, changeProblem(err)
	}
	return &entryAnswer{e}, nil
}

// documentsQuery asks for the configuration of an entry.
type documentsQuery struct {
	Number    int64 `path:"number" minimum:"0" doc:"REV; 0: the one that is live"`
	Canonical bool  `query:"canonical" doc:"Each object in its canonical form, instead of the files as they were handed in"`
}

// documentsAnswer is a configuration.
type documentsAnswer struct {
	Body struct {
		Sources []SourceFiles `json:"sources" nullable:"false"`
	}
}

func (o *Options) documents(ctx context.Context, in *documentsQuery) (*documentsAnswer, error) {
	sources, err := o.Changes.Documents(ctx, in.Number, in.Canonical)
	if err != nil {
		return nil, changeProblem(err)
	}
	answer := &documentsAnswer{}
	answer.Body.Sources = append([]SourceFiles{}, sources...)
	return answer, nil
}

// compareQuery names two entries.
type compareQuery struct {
	From int64 `query:"from" minimum:"0" doc:"REV; 0: the one that is live"`
	To   int64 `query:"to" minimum:"0" doc:"REV; 0: the one that is live"`
}

// comparisonAnswer is what changes between two entries.
type comparisonAnswer struct{ Body Comparison }

func (o *Options) compare(ctx context.Context, in *compareQuery) (*comparisonAnswer, error) {
	c, err := o.Changes.Compare(ctx, in.From, in.To)
	if err != nil {
		return nil, changeProblem(err)
	}
	return &comparisonAnswer{c}, nil
}
