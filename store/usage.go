package store

import (
	"context"
	"fmt"
	"time"
)

// Usage keeps what was called, hour by hour. Each process that counts writes its own rows, as totals of the hour: to write
// them again changes nothing, so that none is counted twice, and a process that dies loses what it had not written yet.
type Usage struct{ db *database }

// Hourly is what was counted in one hour of one operation and class of status.
type Hourly struct {
	Hour      time.Time // When it began, in UTC.
	API       string
	Version   string
	Operation string
	Class     string // Such as 2xx.
	Requests  int64
	Local     int64 // Of them, not answered by an upstream.
	BytesIn   int64 // Bodies of requests.
	BytesOut  int64 // Bodies of answers.
	Timed     int64 // Of the requests, how long they took is known.
	Latency   time.Duration
}

// UsageQuery selects hours; an empty field selects all.
type UsageQuery struct {
	Since, Until            time.Time // Hours that began from Since on, and before Until.
	API, Version, Operation string
	Total                   bool    // Adds up the hours; Hour is zero then.
	After                   *Hourly // Only what comes after it, in the order of the answer.
	Limit                   int     // 0 stands for all.
}

// usageAtOnce is how many rows one transaction writes, so that other changes need not wait long.
const usageAtOnce = 500

const putUsage = `INSERT INTO usage (hour, replica, api, version, operation, class, requests, local, bytes_in, bytes_out, timed, latency)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
	ON CONFLICT (hour, replica, api, version, operation, class) DO UPDATE SET requests = excluded.requests, local = excluded.local,
		bytes_in = excluded.bytes_in, bytes_out = excluded.bytes_out, timed = excluded.timed, latency = excluded.latency
	WHERE excluded.requests > usage.requests`

// Put writes what a process has counted in hours until now: the totals, not what was added since it last wrote. A total that
// is smaller than what is there changes nothing. Process names it, and differs after each start. ErrConflict tells that an hour
// was summed up already, and cannot be added to.
func (u *Usage) Put(ctx context.Context, process string, rows []Hourly) error {
	if process == "" {
		return fmt.Errorf("store usage: %w: a process that counts has a name", ErrInvalid)
	}
	for len(rows) > 0 {
		some := rows[:min(len(rows), usageAtOnce)]
		rows = rows[len(some):]
		if err := u.db.change(ctx, "store usage", func(ctx context.Context, tx *transaction) error { return putHours(ctx, tx, process, some) }); err != nil {
			return err
		}
	}
	return nil
}

func putHours(ctx context.Context, tx *transaction, process string, rows []Hourly) error {
	var summed int64
	if err := tx.QueryRowContext(ctx, "SELECT coalesce(max(hour), -1) FROM usage WHERE replica = ''").Scan(&summed); err != nil {
		return err
	}
	put, err := tx.PrepareContext(ctx, putUsage)
	if err != nil {
		return err
	}
	defer func() { _ = put.Close() }()
	for _, r := range rows {
		hour := r.Hour.UTC().Truncate(time.Hour)
		if moment(hour) <= summed {
			return fmt.Errorf("%w: the hour %s was summed up", ErrConflict, hour.Format(time.RFC3339))
		}
		if _, err := put.ExecContext(ctx, moment(hour), process, r.API, r.Version, r.Operation, r.Class,
			r.Requests, r.Local, r.BytesIn, r.BytesOut, r.Timed, r.Latency.Microseconds()); err != nil {
			return err
		}
	}
	return nil
}

// sumOf are the columns of a sum. PostgreSQL's sum of BIGINT is no BIGINT.
const sumOf = `CAST(sum(requests) AS BIGINT), CAST(sum(local) AS BIGINT), CAST(sum(bytes_in) AS BIGINT), CAST(sum(bytes_out) AS BIGINT),
	CAST(sum(timed) AS BIGINT), CAST(sum(latency) AS BIGINT)`

// List returns the sums of all processes, by hour, API, version, operation and class.
func (u *Usage) List(ctx context.Context, query UsageQuery) (rows []Hourly, err error) {
	hour, until, limit := "hour", moment(query.Until), int64(query.Limit)
	if query.Total {
		hour = "CAST(0 AS BIGINT)"
	}
	if until == 0 {
		until = 1 << 62
	}
	if limit <= 0 {
		limit = 1 << 31
	}
	after := Hourly{}
	from := int64(-1) // Before all.
	if query.After != nil {
		after = *query.After
		from = moment(after.Hour)
	}
	err = u.db.view(ctx, "read usage", func(ctx context.Context, q querier) error {
		rows, err = collect(ctx, q, scanHourly, `SELECT began, api, version, operation, class, `+sumOf+` FROM (
				SELECT `+hour+` AS began, api, version, operation, class, requests, local, bytes_in, bytes_out, timed, latency FROM usage
				WHERE hour >= $1 AND hour < $2 AND ($3 = '' OR api = $3) AND ($4 = '' OR version = $4) AND ($5 = '' OR operation = $5)
			) AS hours WHERE (began, api, version, operation, class) > ($6, $7, $8, $9, $10)
			GROUP BY began, api, version, operation, class ORDER BY began, api, version, operation, class LIMIT $11`,
			moment(query.Since), until, query.API, query.Version, query.Operation, from, after.API, after.Version, after.Operation, after.Class, limit)
		return err
	})
	return rows, err
}

func scanHourly(scan func(...any) error) (h Hourly, err error) {
	var hour, latency int64
	err = scan(&hour, &h.API, &h.Version, &h.Operation, &h.Class, &h.Requests, &h.Local, &h.BytesIn, &h.BytesOut, &h.Timed, &latency)
	h.Hour, h.Latency = at(hour), time.Duration(latency)*time.Microsecond
	return h, err
}

// Sum adds up, in each hour that began before a time, the rows of all processes, and removes the hours that began before
// another time. It returns how many rows it removed. Nobody may count in a summed hour any more.
func (u *Usage) Sum(ctx context.Context, before, oldest time.Time) (removed int, err error) {
	err = u.db.change(ctx, "sum up usage", func(ctx context.Context, tx *transaction) error {
		old, err := exec(ctx, tx, "DELETE FROM usage WHERE hour < $1", moment(oldest))
		if err != nil {
			return err
		}
		if _, err := exec(ctx, tx, `INSERT INTO usage (hour, replica, api, version, operation, class, requests, local, bytes_in, bytes_out, timed, latency)
			SELECT hour, '', api, version, operation, class, `+sumOf+` FROM usage WHERE replica <> '' AND hour < $1
			GROUP BY hour, api, version, operation, class`, moment(before)); err != nil {
			return err
		}
		removed, err = exec(ctx, tx, "DELETE FROM usage WHERE replica <> '' AND hour < $1", moment(before))
		removed += old
		return err
	})
	return removed, err
}
