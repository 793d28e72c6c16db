package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Assignments keep which Envoy may let how much through, of the limits that Envoys enforce by themselves. Nobody is told when
// they change, and no dump has them: they are worth nothing after some seconds.
type Assignments struct{ db *database }

// Load returns what was saved last, and its version: 0 where nothing was.
func (a *Assignments) Load(ctx context.Context) (state []byte, version int64, err error) {
	err = a.db.view(ctx, "read assignments", func(ctx context.Context, q querier) error {
		return q.QueryRowContext(ctx, "SELECT state, version FROM assignments WHERE id = 1").Scan(&state, &version)
	})
	if errors.Is(err, ErrNotFound) || errors.Is(err, sql.ErrNoRows) {
		return nil, 0, nil
	}
	return state, version, err
}

// Save keeps a state in place of the one of a version, and returns its own version. ErrConflict tells that another one was saved
// meanwhile. It waits for no change under way. A state of more than 4 MiB is ErrInvalid.
func (a *Assignments) Save(ctx context.Context, state []byte, version int64) (int64, error) {
	const what = "save assignments"
	if len(state) > maxValue {
		return 0, fmt.Errorf("%s: %w: %d bytes are more than %d", what, ErrInvalid, len(state), maxValue)
	}
	err := a.db.beside(ctx, what, func(ctx context.Context, tx *transaction) error {
		changed, err := exec(ctx, tx, "UPDATE assignments SET state = $1, version = version + 1 WHERE id = 1 AND version = $2", state, version)
		if err == nil && changed == 0 && version == 0 {
			changed, err = exec(ctx, tx, "INSERT INTO assignments (id, state, version) VALUES (1, $1, 1) ON CONFLICT (id) DO NOTHING", state)
		}
		if err == nil && changed == 0 {
			err = fmt.Errorf("%w: version %d is not what is saved", ErrConflict, version)
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	return version + 1, nil
}
