package server

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/store"
)

const (
	// questionLimit is how long the answers of other replicas are waited for.
	questionLimit = 2 * time.Second
	// questionAgain is how often is looked for answers of which no word came.
	questionAgain = 250 * time.Millisecond
	// questionKept is after which time a question that nobody closed is removed by the next one.
	questionKept = time.Minute
	// answerSize bounds an answer in bytes. Records beyond it are told without their input, and then not at all.
	answerSize = 1 << 20
)

// question is what a replica asks all others. Each answers with what its journal has: a list of decisions.
type question struct {
	From    string `json:"from"`    // The replica that asks.
	Request string `json:"request"` // The id of a request.
}

// inquire asks the other replicas what they recorded of a request, and returns that by the replica's name; who is missing did not answer
// in time. Replicas meet in the store alone (ADR 36), so the question stands there until it is answered.
func (s *Server) inquire(ctx context.Context, request string) (map[string][]gateway.Decision, error) {
	ctx, cancel := context.WithTimeout(ctx, questionLimit)
	defer cancel()
	notices := s.store.Watch(ctx)
	text, err := json.Marshal(question{From: s.cluster.name, Request: request})
	if err != nil {
		return nil, fmt.Errorf("write a question: %w", err)
	}
	id := rand.Text()
	if err := s.store.Questions.Ask(ctx, store.Question{ID: id, Text: text}); err != nil {
		return nil, err
	}
	defer s.closeQuestion(context.WithoutCancel(ctx), id)
	again := time.NewTicker(questionAgain)
	defer again.Stop()
	for {
		told, err := s.store.Questions.Answers(ctx, id)
		if err != nil {
			return nil, err
		}
		if s.allAnswered(told) {
			return readAnswers(told)
		}
		select {
		case n, open := <-notices:
			for open && n.Concern != "" && (n.Concern != store.ConcernQuestions || n.Key != id) {
				n, open = <-notices // Ends with ctx.
			}
			if !open {
				return readAnswers(told)
			}
		case <-again.C:
		case <-ctx.Done():
			return readAnswers(told)
		}
	}
}

// closeQuestion removes a question whose answers nobody waits for any more.
func (s *Server) closeQuestion(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if err := s.store.Questions.Close(ctx, id, questionKept); err != nil {
		s.log.WarnContext(ctx, "a question to other replicas stays in the store for a while", "error", err)
	}
}

// allAnswered reports whether every other replica that is alive is among those that answered.
func (s *Server) allAnswered(told map[string][]byte) bool {
	for _, p := range s.others() {
		if _, has := told[p.ID]; !has {
			return false
		}
	}
	return true
}

func readAnswers(told map[string][]byte) (map[string][]gateway.Decision, error) {
	out := make(map[string][]gateway.Decision, len(told))
	for replica, text := range told {
		var found []gateway.Decision
		if err := json.Unmarshal(text, &found); err != nil {
			return nil, fmt.Errorf("read what replica %s answered: %w", replica, err)
		}
		out[replica] = found
	}
	return out, nil
}

// answering answers what other replicas ask.
func (s *Server) answering() alone {
	return newAlone("answering", func(ctx context.Context, tasks *sync.WaitGroup) error {
		tasks.Go(func() {
			for n := range s.store.Watch(ctx) {
				if n.Concern != "" && n.Concern != store.ConcernQuestions {
					continue
				}
				if err := s.answer(ctx); err != nil && ctx.Err() == nil {
					s.log.WarnContext(ctx, "other replicas get no answer of this one", "error", err)
				}
			}
		})
		return nil
	})
}

// answer answers every question that this replica has not answered, but its own.
func (s *Server) answer(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, questionLimit)
	defer cancel()
	open, err := s.store.Questions.Open(ctx, s.cluster.name)
	if err != nil {
		return err
	}
	for _, q := range open {
		var asked question
		if json.Unmarshal(q.Text, &asked) != nil || asked.From == s.cluster.name {
			continue
		}
		found, err := management{Server: s}.recorded(asked.Request)
		if err != nil && !errors.Is(err, errNoJournal) {
			return err
		}
		text, err := answerText(found)
		if err != nil {
			return err
		}
		if err := s.store.Questions.Answer(ctx, store.Question{ID: q.ID, Text: text}, s.cluster.name); err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	return nil
}

// answerText writes decisions within the bound.
func answerText(found []gateway.Decision) ([]byte, error) {
	text, err := json.Marshal(append([]gateway.Decision{}, found...))
	if err != nil || len(text) <= answerSize {
		return text, err
	}
	short := append([]gateway.Decision{}, found...)
	for i := range short {
		short[i].Input = nil
	}
	for {
		if text, err = json.Marshal(short); err != nil || len(text) <= answerSize {
			return text, err
		}
		short = short[1:] // The last ones say more.
	}
}
