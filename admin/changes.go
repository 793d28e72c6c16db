package admin

import (
	"context"
	"time"

	"github.com/gatehouse/gatehouse/gateway"
)

// Changes plans changes of the configuration, makes them, and knows those that were made.
type Changes interface {
	// Plan tells what a proposal would change, and changes nothing. Faults of the documents are in the Plan. It returns
	// ErrConflict where the proposal's base is not what is live any more.
	Plan(ctx context.Context, p Proposal) (Plan, error)
	// Apply makes a history entry of a proposal and begins its rollout. It returns ErrConflict where the live entry or the
	// outcome is not the one that the proposal names, and ErrRefused, with the Plan, where the documents have faults or the
	// caller may not change what they change. Nothing to change is no error: then no entry is made.
	Apply(ctx context.Context, p Proposal) (Applied, error)
	// Rollback makes an entry with the content of an older one. What is observed stays as it is.
	Rollback(ctx context.Context, r Rollback) (Applied, error)
	// History returns entries, newest first.
	History(ctx context.Context, before int64, limit int) ([]Entry, error)
	// Entry returns one of them, or ErrNotFound; 0 is the one that is live.
	Entry(ctx context.Context, number int64) (Entry, error)
	// Documents returns the configuration of an entry (0: live): as it was handed in, or each object in its canonical form.
	Documents(ctx context.Context, number int64, canonical bool) ([]SourceFiles, error)
	// Compare tells what changes from one entry to another; 0 is the one that is live.
	Compare(ctx context.Context, from, to int64) (Comparison, error)
}

// Proposal is a change that somebody wants: the whole directory of a source, or edits of single objects.
type Proposal struct {
	// Source is who the objects belong to afterwards. One that is in another source is refused, unless TakeOver.
	Source string            `json:"source,omitempty" maxLength:"100" doc:"Whose objects these are: the name of the project"`
	Files  map[string][]byte `json:"files,omitempty" doc:"Every file of the directory by its path, base64; absent where there are edits"`
	Edits  []Edit            `json:"edits,omitempty" maxItems:"1000" doc:"Changes of single objects"`
	// Prune deletes objects of the source that the files do not have any more. Without it they stay.
	Prune    bool   `json:"prune,omitempty" doc:"Delete objects of the source that the files do not have"`
	TakeOver bool   `json:"take_over,omitempty" doc:"Take objects that belong to another source"`
	Base     int64  `json:"base,omitempty" minimum:"0" doc:"Only if this entry is the live one; 0: whichever is"`
	Result   string `json:"result,omitempty" doc:"Only if this content id comes out; empty: whichever does"`
	Message  string `json:"message,omitempty" maxLength:"1000" doc:"Why, for the history"`
	// Upgrade asks, instead of all else, what this version of Gatehouse alone changes for Envoys. It is for Plan only.
	Upgrade bool `json:"upgrade,omitempty" doc:"Only tell what this version of Gatehouse makes of the live configuration otherwise than the version that applied it"`
}

// Edit changes one object. Exactly one of Document, Set and Remove is given.
type Edit struct {
	Object   gateway.Ref `json:"object"`
	Document string      `json:"document,omitempty" doc:"The whole document as YAML, in place of the one there is, or new"`
	New      bool        `json:"new,omitempty" doc:"With document: only where there is none of that name"`
	Set      []SetField  `json:"set,omitempty" maxItems:"100" doc:"Fields to write; comments and the order of all others stay"`
	Remove   bool        `json:"remove,omitempty" doc:"Remove the object"`
}

// SetField writes one field of a document.
type SetField struct {
	Field string `json:"field" minLength:"1" doc:"Path inside the document, such as to or retries.attempts"`
	Value string `json:"value" doc:"As YAML; empty removes the field"`
}

// Plan is what a proposal would change.
type Plan struct {
	Source  string           `json:"source"`
	Base    int64            `json:"base" doc:"The live entry (REV) it was made against; 0: there is none"`
	Result  string           `json:"result,omitempty" doc:"Content id of the outcome; empty where there are faults"`
	Changes []gateway.Change `json:"changes" nullable:"false" doc:"Deleted objects first, then changed, then added"`
	Kept    []gateway.Ref    `json:"kept" nullable:"false" doc:"Objects of the source that the files do not have, and that stay without prune"`
	Fleets  []FleetChange    `json:"fleets" nullable:"false" doc:"What the Envoys of each fleet will get"`
	Routes  []RouteChange    `json:"routes" nullable:"false" doc:"Routes whose hops change"`
	Series  int              `json:"series" doc:"How many time series of metrics are gained, or lost where it is negative"`
	Held    string           `json:"held,omitempty" doc:"Why the change would wait for somebody to confirm it"`
	Tests   []PolicyTest     `json:"tests" nullable:"false" doc:"Tests of policies (rules test_* beside them)"`
	Limits  []LimitTrial     `json:"limits,omitempty" doc:"What limits that are added or changed would have done with the requests that this replica recorded in the last hour; only where it recorded some"`

	Warnings []gateway.Fault `json:"warnings" nullable:"false" doc:"What is worth a look and stands against nothing"`
	Faults   []gateway.Fault `json:"faults" nullable:"false" doc:"Why it cannot be applied"`
}

// LimitTrial is what a limit would have done with recorded requests.
type LimitTrial struct {
	Limit    string `json:"limit"`
	Requests int    `json:"requests" doc:"How many it would have counted"`
	Refused  int    `json:"refused" doc:"How many of them it would have refused, or told of in mode shadow"`
	Unknown  int    `json:"unknown,omitempty" doc:"How many more there are whose records do not tell what it counts by"`
}

// FleetChange is what the Envoys of a fleet will get.
type FleetChange struct {
	Fleet     string           `json:"fleet"`
	Nodes     int              `json:"nodes" doc:"How many are known"`
	Resources []ResourceChange `json:"resources" nullable:"false"`
	Bytes     int              `json:"bytes" doc:"To each node"`
}

// ResourceChange is an Envoy resource that is added, changed or deleted.
type ResourceChange struct {
	Kind  gateway.ChangeKind `json:"kind" enum:"deleted,changed,added"`
	Type  string             `json:"type" doc:"Short name of the type, such as VirtualHost"`
	Name  string             `json:"name"`
	Bytes int                `json:"bytes" doc:"Of what is sent; 0 where it is deleted"`
	// Before and After are the resource as YAML, only where they are asked for.
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}

// RouteChange is a route whose hops change.
type RouteChange struct {
	Route    string              `json:"route"`
	Before   []gateway.Hop       `json:"before" nullable:"false"`
	After    []gateway.Hop       `json:"after" nullable:"false"`
	Policies []gateway.Judgement `json:"policies,omitempty" nullable:"false" doc:"Who judges each policy of the route afterwards, and why"`
}

// PolicyTest is the outcome of one test of a policy.
type PolicyTest struct {
	Policy string        `json:"policy"`
	Name   string        `json:"name"`
	Passed bool          `json:"passed"`
	Place  gateway.Place `json:"place"`
	Output string        `json:"output,omitempty"`
}

// Applied is what became of a change.
type Applied struct {
	Entry int64  `json:"entry" doc:"The entry that was made, or the live one where nothing was to change"`
	Made  bool   `json:"made" doc:"Whether an entry was made"`
	State string `json:"state" doc:"Of the entry: rolling, live, held"`
	Plan  Plan   `json:"plan" doc:"What it changed"`
}

// Rollback says where to go back to.
type Rollback struct {
	Entry   int64  `json:"entry" minimum:"1" doc:"The entry whose content is wanted again"`
	Base    int64  `json:"base,omitempty" minimum:"0" doc:"Only if this entry is the live one; 0: whichever is"`
	Message string `json:"message,omitempty" maxLength:"1000"`
	DryRun  bool   `json:"dry_run,omitempty" doc:"Only tell what would change"`
}

// Entry is a line of the history.
type Entry struct {
	Number  int64     `json:"number" doc:"REV"`
	Content string    `json:"content" doc:"Content id"`
	Author  string    `json:"author"`
	Message string    `json:"message,omitempty"`
	Source  string    `json:"source,omitempty" doc:"Which source changed"`
	Parent  int64     `json:"parent,omitempty" doc:"The entry that was live when it was made"`
	Of      int64     `json:"of,omitempty" doc:"For a rollback: the entry whose content this is"`
	Created time.Time `json:"created"`
	State   string    `json:"state" enum:"held,rolling,live,aborted,refused,superseded"`
	Reason  string    `json:"reason,omitempty"`
	Changed time.Time `json:"changed,omitzero" doc:"When its state changed"`
	Live    bool      `json:"live" doc:"Whether it is the one in use"`
}

// SourceFiles are the files of one source.
type SourceFiles struct {
	Source string            `json:"source" doc:"Empty for the watched directory"`
	Team   string            `json:"team,omitempty" doc:"The team it is bound to"`
	Files  map[string][]byte `json:"files" doc:"By path, base64"`
}

// Comparison is what changes from one entry to another.
type Comparison struct {
	From    int64            `json:"from"`
	To      int64            `json:"to"`
	Changes []gateway.Change `json:"changes" nullable:"false"`
	Fleets  []FleetChange    `json:"fleets" nullable:"false" doc:"With the resources as YAML"`
}
