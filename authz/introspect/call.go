package introspect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"
)

const (
	// maxAnswer bounds an answer, in bytes.
	maxAnswer = 64 << 10
	// maxAnswerHeaders bounds its headers, in bytes.
	maxAnswerHeaders = 16 << 10
)

// call asks an issuer about a token (RFC 7662 2.1), as the client that the document names (RFC 6749 2.3.1). It returns the
// members of the answer and their size in bytes. No error holds the token or the secret.
func (c *Client) call(from *issuer, token string) (claims *structpb.Struct, size int, err error) {
	settings := &from.endpoint.settings
	secret, err := c.secret(settings.Secret)
	if err != nil {
		return nil, 0, fmt.Errorf("the client's secret: %w", err)
	}
	ctx, cancel := context.WithTimeout(c.base, settings.Timeout)
	defer cancel()
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, settings.URL, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, 0, err
	}
	request.SetBasicAuth(url.QueryEscape(settings.Client), url.QueryEscape(secret))
	request.Header.Set("content-type", "application/x-www-form-urlencoded")
	request.Header.Set("accept", "application/json")
	request.Header["Idempotency-Key"] = []string{} // Not sent: it lets a connection that the issuer has just closed be replaced.
	response, err := from.client.Do(request)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case response.StatusCode == http.StatusUnauthorized || response.StatusCode == http.StatusForbidden:
		return nil, 0, fmt.Errorf("the issuer refuses the client %q with status %d: check client and secret", settings.Client, response.StatusCode)
	case response.StatusCode != http.StatusOK:
		return nil, 0, fmt.Errorf("the issuer answered with status %d", response.StatusCode)
	case err != nil:
		return nil, 0, fmt.Errorf("read the answer: %w", err)
	case len(body) > maxAnswer:
		return nil, 0, fmt.Errorf("the answer has more than %d bytes", maxAnswer)
	}
	claims, err = read(body)
	return claims, len(body), err
}

// read reads an answer: a JSON object with the member active, a boolean (RFC 7662 2.2). What is wrong with it is not quoted, as
// it may hold what is nobody's business.
func read(body []byte) (*structpb.Struct, error) {
	claims := &structpb.Struct{}
	if protojson.Unmarshal(body, claims) != nil {
		return nil, errors.New("the answer is no JSON object")
	}
	if _, ok := claims.GetFields()["active"].GetKind().(*structpb.Value_BoolValue); !ok {
		return nil, errors.New("the answer does not say whether the token is active")
	}
	return claims, nil
}
