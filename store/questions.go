package store

import (
	"context"
	"fmt"
	"time"
)

// Questions are what replicas ask each other, and what they answer: each row lives for as long as somebody waits for it. No dump
// has them.
type Questions struct{ db *database }

// Question is one that waits for answers.
type Question struct {
	ID   string
	Text []byte // Of those who ask and answer.
}

// asker is what stands in the place of a replica's name beside a question itself.
const asker = ""

// Ask puts a question, under an id that no other has, and tells the watchers. A text of more than 4 MiB is ErrInvalid. It waits for
// no change under way, as nothing here does.
func (q *Questions) Ask(ctx context.Context, question Question) error {
	return q.put(ctx, "ask "+question.ID, question, asker)
}

// Answer puts what a replica answers, in the place of what it answered before, and tells the watchers. ErrNotFound tells that nobody
// waits for it any more.
func (q *Questions) Answer(ctx context.Context, answer Question, replica string) error {
	if replica == asker {
		return fmt.Errorf("answer %s: %w: a replica has a name", answer.ID, ErrInvalid)
	}
	return q.put(ctx, "answer "+answer.ID, answer, replica)
}

func (q *Questions) put(ctx context.Context, what string, row Question, replica string) error {
	if row.ID == "" || len(row.Text) > maxValue {
		return fmt.Errorf("%s: %w: it has an id and at most %d bytes, not %d", what, ErrInvalid, maxValue, len(row.Text))
	}
	if row.Text == nil {
		row.Text = []byte{}
	}
	return q.db.beside(ctx, what, func(ctx context.Context, tx *transaction) error {
		tx.notice(ConcernQuestions, row.ID)
		put, err := exec(ctx, tx, `INSERT INTO questions (id, replica, text, asked) SELECT $1, $2, $3, $4
			WHERE $2 = '' OR EXISTS (SELECT 1 FROM questions WHERE id = $1 AND replica = '')
			ON CONFLICT (id, replica) DO UPDATE SET text = excluded.text`, row.ID, replica, row.Text, moment(q.db.now()))
		if err == nil && put == 0 {
			err = ErrNotFound
		}
		return err
	})
}

func scanQuestion(scan func(...any) error) (row Question, err error) {
	err = scan(&row.ID, &row.Text)
	return row, err
}

// Open returns the questions that a replica has not answered, by id.
func (q *Questions) Open(ctx context.Context, replica string) (open []Question, err error) {
	err = q.db.view(ctx, "list questions", func(ctx context.Context, from querier) error {
		open, err = collect(ctx, from, scanQuestion, `SELECT id, text FROM questions q WHERE replica = ''
			AND NOT EXISTS (SELECT 1 FROM questions a WHERE a.id = q.id AND a.replica = $1) ORDER BY id`, replica)
		return err
	})
	return open, err
}

// Answers returns what was answered to a question, by the replica's name.
func (q *Questions) Answers(ctx context.Context, id string) (map[string][]byte, error) {
	answers := map[string][]byte{}
	err := q.db.view(ctx, "read the answers to "+id, func(ctx context.Context, from querier) error {
		rows, err := collect(ctx, from, scanQuestion, "SELECT replica, text FROM questions WHERE id = $1 AND replica <> ''", id)
		for _, row := range rows {
			answers[row.ID] = row.Text
		}
		return err
	})
	return answers, err
}

// Close removes a question and its answers, and whatever was asked longer ago than a time and never closed. One that is not there is no
// error.
func (q *Questions) Close(ctx context.Context, id string, after time.Duration) error {
	return q.db.beside(ctx, "close "+id, func(ctx context.Context, tx *transaction) error {
		_, err := exec(ctx, tx, "DELETE FROM questions WHERE id = $1 OR asked < $2", id, moment(q.db.now().Add(-after)))
		return err
	})
}
