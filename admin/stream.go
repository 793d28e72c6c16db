package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

const (
	// heartbeat is how often something is sent where nothing happens, so that both sides see when the other has gone.
	heartbeat = 10 * time.Second
	// sendTimeout bounds the sending of one event.
	sendTimeout = 5 * time.Second
	// proofEvery is how often it is asked again whether the reader may still read: proofs end, are revoked, and say less than before.
	proofEvery = 2 * time.Second
)

// stillKey is the key of a function in a context that tells whether the caller may still do what was allowed.
type stillKey struct{}

// lasting lets what takes long ask again whether its caller may.
func (d *door) lasting(r *http.Request, op operation) *http.Request {
	still := func() bool {
		caller, refused := d.caller(r, connectionOf(r.Context()))
		if refused != nil {
			return refused.status == http.StatusServiceUnavailable // It cannot be said now.
		}
		if !caller.Expires.IsZero() && !d.options.Events.now().Before(caller.Expires) {
			return false
		}
		_, verdict, err := d.options.ask(r.WithContext(WithCaller(r.Context(), caller)), op)
		return err != nil || verdict.Allow
	}
	return r.WithContext(context.WithValue(r.Context(), stillKey{}, still))
}

// still reports whether the caller of a request may still do what was allowed when it came.
func still(ctx context.Context) bool {
	ask, ok := ctx.Value(stillKey{}).(func() bool)
	return ok && ask()
}

// eventsQuery says where to go on.
type eventsQuery struct {
	LastEventID string `header:"Last-Event-ID" maxLength:"64" doc:"The id of the last event that was read; what came since follows first, as far as it is kept"`
}

// describeEvents registers the stream of events.
func (o *Options) describeEvents(api huma.API) {
	event := api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Event](), true, "Event")
	huma.Register(api, huma.Operation{
		OperationID: "watchEvents", Method: http.MethodGet, Path: "/v1/events",
		Summary:     "What changes, as it does (server-sent events)",
		Description: "The data of each event is an Event, as JSON. Who reads too slowly gets an event of the kind lost and is cut off.",
		Responses: map[string]*huma.Response{"200": {
			Description: "Events, until either side ends it",
			Content:     map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeString}, Extensions: map[string]any{"x-event": event}}},
		}},
	}, func(_ context.Context, q *eventsQuery) (*huma.StreamResponse, error) {
		r, err := o.Events.read(q.LastEventID)
		if err != nil {
			return nil, huma.Error503ServiceUnavailable(err.Error())
		}
		return &huma.StreamResponse{Body: func(c huma.Context) {
			defer o.Events.leave(r)
			request, w := humago.Unwrap(c)
			o.stream(request.Context(), w, r)
		}}, nil
	})
}

// stream sends events until the reader goes, or is cut off.
func (o *Options) stream(ctx context.Context, w http.ResponseWriter, r *reader) {
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no") // Whoever stands between must not collect events.
	out := http.NewResponseController(w)
	send := func(text string) bool {
		if err := out.SetWriteDeadline(time.Now().Add(sendTimeout)); err != nil {
			return false
		}
		if _, err := w.Write([]byte(text)); err != nil {
			return false
		}
		return out.Flush() == nil
	}
	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	proof := time.NewTicker(proofEvery)
	defer proof.Stop()
	if !send("retry: 1000\n\n") {
		return
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-proof.C:
			if !still(ctx) {
				return
			}
		case <-ticker.C:
			if !send(": still here\n\n") {
				return
			}
		case event, going := <-r.events:
			if !going {
				send(fmt.Sprintf("event: %s\ndata: {\"id\":\"\",\"kind\":%q}\n\n", EventLost, EventLost))
				return
			}
			body, err := json.Marshal(event)
			if err != nil || !send(event.text(body)) {
				return
			}
		}
	}
}
