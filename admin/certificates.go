package admin

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Certificates knows what nodes of other hosts were given.
type Certificates interface {
	// Certificates returns those of a node, or of all where both names are empty, those issued last first.
	Certificates(ctx context.Context, fleet, node string) ([]Certificate, error)
	// RevokeNode makes certificates of a node worthless, at every replica.
	RevokeNode(ctx context.Context, r Revocation) (Revocation, error)
}

// Certificate is what may be shown of a certificate that a node was given.
type Certificate struct {
	Serial  string    `json:"serial" doc:"In hexadecimal"`
	Fleet   string    `json:"fleet"`
	Node    string    `json:"node"`
	Issued  time.Time `json:"issued"`
	Expires time.Time `json:"expires"`
	Token   string    `json:"token,omitempty" doc:"The token by which the node joined; absent for a renewal"`
	Renews  string    `json:"renews,omitempty" doc:"The certificate that was renewed"`
	Revoked time.Time `json:"revoked,omitzero"`
}

// Revocation says which certificates of a node are worthless.
type Revocation struct {
	Fleet  string    `json:"fleet"`
	Node   string    `json:"node"`
	Serial string    `json:"serial,omitempty" doc:"This certificate alone"`
	Before time.Time `json:"before,omitzero" doc:"All that were issued until then"`
	Author string    `json:"author"`
	Reason string    `json:"reason,omitempty"`
	Made   time.Time `json:"made"`
}

// RevocationWish asks for a revocation.
type RevocationWish struct {
	Serial string    `json:"serial,omitempty" maxLength:"40" pattern:"^[0-9a-f]+$" doc:"This certificate alone; absent: all that were issued until before"`
	Before time.Time `json:"before,omitzero" doc:"Absent: now"`
	Reason string    `json:"reason,omitempty" maxLength:"500" doc:"For people"`
}

// certificatesQuery selects certificates.
type certificatesQuery struct {
	PageQuery
	Fleet string `query:"fleet" doc:"Only nodes of this fleet"`
	Node  string `query:"node" doc:"Only nodes of this name"`
}

// certificatesAnswer is a list of certificates.
type certificatesAnswer struct {
	NextPage
	Body struct {
		Certificates []Certificate `json:"certificates" nullable:"false"`
		Next         string        `json:"next,omitempty" doc:"Cursor of the next page"`
	}
}

func (o *Options) describeCertificates(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "listCertificates", Method: http.MethodGet, Path: "/v1/certificates",
		Summary: "The certificates that nodes of other hosts were given, those issued last first",
	}, func(ctx context.Context, q *certificatesQuery) (answer *certificatesAnswer, err error) {
		all, err := o.Certificates.Certificates(ctx, q.Fleet, q.Node)
		if err != nil {
			return nil, asProblem(err)
		}
		answer = &certificatesAnswer{}
		answer.Body.Certificates, answer.Body.Next, err = page(q.PageQuery, all, func(c Certificate) string { return newestFirst(c.Issued, c.Serial) })
		answer.NextPage = q.link(answer.Body.Next, "fleet", q.Fleet, "node", q.Node)
		return answer, err
	})
	huma.Register(api, huma.Operation{
		OperationID: "revokeNode", Method: http.MethodPost, Path: "/v1/nodes/{fleet}/{node}/revoke",
		Summary: "Make the certificates of a node worthless: its connections end, and it must join anew",
		Errors:  []int{http.StatusConflict, http.StatusUnprocessableEntity},
	}, func(ctx context.Context, in *struct {
		Fleet string `path:"fleet" maxLength:"128"`
		Node  string `path:"node" maxLength:"128"`
		Body  RevocationWish
	},
	) (*struct{ Body Revocation }, error) {
		r := Revocation{
			Fleet: in.Fleet, Node: in.Node, Serial: in.Body.Serial, Before: in.Body.Before, Reason: in.Body.Reason, Author: CallerOf(ctx).Name,
		}
		made, err := o.Certificates.RevokeNode(ctx, r)
		note(ctx).changed("", "", fmt.Sprintf("node %s/%s %s", in.Fleet, in.Node, in.Body.Serial))
		return &struct{ Body Revocation }{made}, asProblem(err)
	})
}

// Certificates returns the certificates of a node, or of all where both names are empty, those issued last first.
func (c *Client) Certificates(ctx context.Context, fleet, node string) ([]Certificate, error) {
	query := url.Values{}
	for name, value := range map[string]string{"fleet": fleet, "node": node} {
		if value != "" {
			query.Set(name, value)
		}
	}
	return pages(ctx, c, "/v1/certificates", query, func(p *struct {
		Certificates []Certificate `json:"certificates"`
		Next         string        `json:"next"`
	},
	) ([]Certificate, string) {
		return p.Certificates, p.Next
	})
}

// RevokeNode makes certificates of a node worthless.
func (c *Client) RevokeNode(ctx context.Context, fleet, node string, wish RevocationWish) (made Revocation, err error) {
	err = c.post(ctx, "/v1/nodes/"+url.PathEscape(fleet)+"/"+url.PathEscape(node)+"/revoke", wish, &made)
	return made, err
}
