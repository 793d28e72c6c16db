package store

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Certificates keeps which certificates nodes were given, until they are long over, and which are accepted no more.
type Certificates struct{ db *database }

// Certificate is one that a node was given.
type Certificate struct {
	Serial  string // In hexadecimal.
	Fleet   string
	Node    string
	Issued  time.Time // Zero stands for now.
	Expires time.Time
	Token   string // The id of the token by which the node joined; "" for a renewal.
	Renews  string // The serial of the certificate that was renewed; "" for a joining.
	Revoked time.Time
}

// Shown is a certificate that somebody shows.
type Shown struct {
	Fleet, Node string
	Serial      string
	From        time.Time // When its validity begins, as it says itself.
}

// Revocation is what is accepted of a node no more. It holds at every replica as soon as that has heard of it.
type Revocation struct {
	Fleet  string
	Node   string
	Serial string    // One certificate; "" for all that the node was given until Before, kept or not.
	Before time.Time // Zero stands for now, and is not used with a serial.
	Author string
	Reason string
	Made   time.Time
	// Of the certificates of the node that are kept, those that are revoked, and those that were given later. By these nobody's
	// clock counts. Not looked at by Revoke.
	Bad, Good []string
}

// Refuses reports whether a revocation is about a certificate.
func (r Revocation) Refuses(c Shown) bool {
	switch {
	case r.Fleet != c.Fleet || r.Node != c.Node:
		return false
	case r.Serial != "":
		return r.Serial == c.Serial
	}
	return slices.Contains(r.Bad, c.Serial) || !c.From.After(r.Before) && !slices.Contains(r.Good, c.Serial)
}

// Add keeps a certificate before it is handed out. Where it renews one, that is given as it was shown, and ErrRevoked tells
// that it is accepted no more. ErrConflict tells that the serial is known.
func (c *Certificates) Add(ctx context.Context, one Certificate, renews *Shown) error {
	what := "keep certificate " + one.Serial
	if one.Serial == "" || one.Fleet == "" || one.Node == "" || one.Expires.IsZero() {
		return fmt.Errorf("%s: %w: it has a serial, a fleet, a node and an end", what, ErrInvalid)
	}
	if one.Issued.IsZero() {
		one.Issued = c.db.now()
	}
	return c.db.change(ctx, what, func(ctx context.Context, tx *transaction) error {
		revoked, err := collect(ctx, tx, scanRevocation, revocationsOf, one.Fleet, one.Node)
		if err != nil {
			return err
		}
		if err := sorted(ctx, tx, revoked); err != nil {
			return err
		}
		if renews != nil && slices.ContainsFunc(revoked, func(r Revocation) bool { return r.Refuses(*renews) }) {
			return ErrRevoked
		}
		if len(revoked) > 0 {
			tx.notice(ConcernCertificates, one.Fleet+"/"+one.Node) // It is good, though others of the node are not.
		}
		_, err = exec(ctx, tx, "INSERT INTO certificates (serial, fleet, node, issued, expires, token, renews, revoked) VALUES ($1, $2, $3, $4, $5, $6, $7, 0)",
			one.Serial, one.Fleet, one.Node, moment(one.Issued), moment(one.Expires), one.Token, one.Renews)
		return err
	})
}

// Revoke stores a revocation, and returns it with its times. It is there when Revoke returns. A later one of the same node
// reaches at least as far as the one before.
func (c *Certificates) Revoke(ctx context.Context, r Revocation) (Revocation, error) {
	what := fmt.Sprintf("revoke certificates of node %s/%s", r.Fleet, r.Node)
	if r.Fleet == "" || r.Node == "" {
		return Revocation{}, fmt.Errorf("%s: %w: it has a fleet and a node", what, ErrInvalid)
	}
	r.Made, r.Bad, r.Good = stored(c.db.now()), nil, nil
	all := r.Before.IsZero()
	switch {
	case r.Serial != "":
		r.Before = time.Time{}
	case r.Before.IsZero():
		r.Before = r.Made
	default:
		r.Before = stored(r.Before)
	}
	err := c.db.change(ctx, what, func(ctx context.Context, tx *transaction) error {
		tx.notice(ConcernCertificates, r.Fleet+"/"+r.Node)
		row := tx.QueryRowContext(ctx, `INSERT INTO revocations (fleet, node, serial, before, author, reason, made) VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (fleet, node, serial) DO UPDATE SET author = excluded.author, reason = excluded.reason, made = excluded.made,
			before = CASE WHEN excluded.before > revocations.before THEN excluded.before ELSE revocations.before END RETURNING before`,
			r.Fleet, r.Node, r.Serial, moment(r.Before), r.Author, r.Reason, moment(r.Made))
		var before int64
		if err := row.Scan(&before); err != nil {
			return err
		}
		r.Before = at(before)
		_, err := exec(ctx, tx, `UPDATE certificates SET revoked = $1 WHERE fleet = $2 AND node = $3 AND revoked = 0
			AND (serial = $4 OR $4 = '' AND ($5 OR issued <= $6))`, moment(r.Made), r.Fleet, r.Node, r.Serial, all, before)
		return err
	})
	if err != nil {
		return Revocation{}, err
	}
	return r, nil
}

const revocationColumns = "fleet, node, serial, before, author, reason, made"

const revocationsOf = "SELECT " + revocationColumns + " FROM revocations WHERE fleet = $1 AND node = $2 ORDER BY serial"

func scanRevocation(scan func(...any) error) (r Revocation, err error) {
	var before, made int64
	err = scan(&r.Fleet, &r.Node, &r.Serial, &before, &r.Author, &r.Reason, &made)
	r.Before, r.Made = at(before), at(made)
	return r, err
}

// sorted adds to revocations which certificates of the node are revoked, and which were given later.
func sorted(ctx context.Context, q querier, all []Revocation) (err error) {
	for i, r := range all {
		if r.Serial != "" {
			continue
		}
		for list, which := range map[*[]string]string{&all[i].Bad: "revoked > 0", &all[i].Good: "revoked = 0"} {
			*list, err = collect(ctx, q, func(scan func(...any) error) (serial string, err error) { err = scan(&serial); return serial, err },
				"SELECT serial FROM certificates WHERE fleet = $1 AND node = $2 AND "+which+" ORDER BY serial", r.Fleet, r.Node)
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// Revocations returns all there are, by fleet, node and serial.
func (c *Certificates) Revocations(ctx context.Context) (all []Revocation, err error) {
	err = c.db.view(ctx, "list revocations", func(ctx context.Context, q querier) error {
		all, err = collect(ctx, q, scanRevocation, "SELECT "+revocationColumns+" FROM revocations ORDER BY fleet, node, serial")
		if err != nil {
			return err
		}
		return sorted(ctx, q, all)
	})
	return all, err
}

// List returns the certificates of a node, or of all nodes where both names are empty, the newest first. Revoked of each says
// when it was; zero for one that is not.
func (c *Certificates) List(ctx context.Context, fleet, node string) (all []Certificate, err error) {
	err = c.db.view(ctx, "list certificates", func(ctx context.Context, q querier) error {
		all, err = collect(ctx, q, func(scan func(...any) error) (c Certificate, err error) {
			var issued, expires, revoked int64
			err = scan(&c.Serial, &c.Fleet, &c.Node, &issued, &expires, &c.Token, &c.Renews, &revoked)
			c.Issued, c.Expires, c.Revoked = at(issued), at(expires), at(revoked)
			return c, err
		}, `SELECT serial, fleet, node, issued, expires, token, renews, revoked
			FROM certificates WHERE ($1 = '' OR fleet = $1) AND ($2 = '' OR node = $2) ORDER BY issued DESC, serial`, fleet, node)
		return err
	})
	return all, err
}

// Forget removes the certificates that ended before a time, and the revocations that were made before another one, by when
// nothing that they are about can be shown any more. It returns how many of both.
func (c *Certificates) Forget(ctx context.Context, ended, revoked time.Time) (forgotten int, err error) {
	err = c.db.change(ctx, "forget certificates", func(ctx context.Context, tx *transaction) error {
		tx.notice(ConcernCertificates, "")
		if forgotten, err = exec(ctx, tx, "DELETE FROM certificates WHERE expires < $1", moment(ended)); err != nil {
			return err
		}
		more, err := exec(ctx, tx, "DELETE FROM revocations WHERE made < $1", moment(revoked))
		forgotten += more
		return err
	})
	return forgotten, err
}
