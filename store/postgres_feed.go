package store

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Bounds of listening.
const (
	pgPoll       = 2 * time.Second // How often the number of the last change is read: NOTIFY is not the only way.
	pgAnswer     = 3 * time.Second // How long that may take, before the connection counts as lost.
	pgFirstPause = 50 * time.Millisecond
	pgLastPause  = 2 * time.Second
)

// follow listens, and connects again where the connection is lost, after pauses that grow up to 2 s.
func (p *postgres) follow(ctx context.Context, d *database) {
	pause := pgFirstPause
	for ctx.Err() == nil {
		if p.listen(ctx, d) { // What went wrong the calls that use the store tell.
			pause = pgFirstPause
		}
		timer := time.NewTimer(pause/2 + rand.N(pause/2))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
		pause = min(2*pause, pgLastPause)
	}
}

// listen hands on what is told until the connection is lost, and returns whether there was one.
func (p *postgres) listen(ctx context.Context, d *database) (connected bool) {
	conn, err := p.listener(ctx)
	if err != nil {
		return false
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = conn.Close(ctx) // It is of no use any more.
	}()
	number, err := lastNumber(ctx, conn)
	if err != nil {
		return false
	}
	d.feed.missed(number)
	for {
		if err := p.next(ctx, conn, d.feed); err != nil {
			return true
		}
	}
}

func (p *postgres) listener(ctx context.Context) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, pgAnswer)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, p.config.Copy())
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, "LISTEN "+pgx.Identifier{p.channel}.Sanitize()); err != nil {
		return nil, errors.Join(err, conn.Close(ctx))
	}
	return conn, nil
}

// next takes in one notification, or after a while without one the number of the last change.
func (p *postgres) next(ctx context.Context, conn *pgx.Conn, feed *hub) error {
	waiting, cancel := context.WithTimeout(ctx, pgPoll)
	defer cancel()
	n, err := conn.WaitForNotification(waiting)
	if err == nil {
		var what told
		if err := json.Unmarshal([]byte(n.Payload), &what); err != nil {
			what.Notices = []Notice{{}} // Somebody else used the channel.
		}
		feed.receive(what.Number, what.Notices)
		return nil
	}
	if ctx.Err() != nil || !pgconn.Timeout(err) {
		return err
	}
	number, err := lastNumber(ctx, conn)
	if err == nil {
		feed.polled(number)
	}
	return err
}

func lastNumber(ctx context.Context, conn *pgx.Conn) (number int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, pgAnswer)
	defer cancel()
	err = conn.QueryRow(ctx, "SELECT number FROM feed WHERE id = 1").Scan(&number)
	return number, err
}
