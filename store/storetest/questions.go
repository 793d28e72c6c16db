package storetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/store"
)

// questions are put by one process and answered by another, which hears of them; what nobody waits for takes no answer.
func questions(t *testing.T, s Subject) {
	ctx := t.Context()
	other := s.Open(t, store.Options{Now: s.Clock.Now})
	heard := other.Watch(ctx)
	<-heard // Changes are seen from here on.
	must(0, s.Questions.Ask(ctx, store.Question{ID: "q", Text: []byte("why?")}))(t)
	for n := range heard {
		if n == (store.Notice{}) || n == (store.Notice{Concern: store.ConcernQuestions, Key: "q"}) {
			break
		}
	}
	open := must(other.Questions.Open(ctx, "b"))(t)
	equal(t, "what is open", open, []store.Question{{ID: "q", Text: []byte("why?")}})
	for _, answer := range []string{"first", "because"} {
		must(0, other.Questions.Answer(ctx, store.Question{ID: "q", Text: []byte(answer)}, "b"))(t)
	}
	must(0, s.Questions.Answer(ctx, store.Question{ID: "q"}, "c"))(t)
	equal(t, "what is open for who answered", len(must(other.Questions.Open(ctx, "b"))(t)), 0)
	equal(t, "what is open for who did not", len(must(other.Questions.Open(ctx, "d"))(t)), 1)
	answers := must(s.Questions.Answers(ctx, "q"))(t)
	_, empty := answers["c"]
	equal(t, "the answers", []string{string(answers["b"]), fmt.Sprint(empty, len(answers))}, []string{"because", "true 2"})

	must(0, s.Questions.Ask(ctx, store.Question{ID: "forgotten"}))(t)
	s.Clock.Advance(time.Hour)
	must(0, s.Questions.Ask(ctx, store.Question{ID: "young"}))(t)
	must(0, s.Questions.Close(ctx, "q", time.Minute))(t)
	left := must(s.Questions.Open(ctx, "b"))(t)
	equal(t, "what is left", len(left) == 1 && left[0].ID == "young" && len(left[0].Text) == 0, true)
	equal(t, "the answers to what is closed", len(must(s.Questions.Answers(ctx, "q"))(t)), 0)
	is(t, "an answer to what is closed", other.Questions.Answer(ctx, store.Question{ID: "q"}, "b"), store.ErrNotFound)
	is(t, "a question without id", s.Questions.Ask(ctx, store.Question{}), store.ErrInvalid)
	is(t, "an answer of nobody", s.Questions.Answer(ctx, store.Question{ID: "young"}, ""), store.ErrInvalid)
	is(t, "an endless question", s.Questions.Ask(ctx, store.Question{ID: "long", Text: []byte(strings.Repeat("x", 5<<20))}), store.ErrInvalid)
}
