package opaconfig

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// Service is a server that has bundles or takes decision logs.
type Service struct {
	Name     string            `json:"name"` // In a list of services.
	URL      string            `json:"url"`
	Headers  map[string]string `json:"headers"`
	Insecure bool              `json:"allow_insecure_tls"`
	Timeout  int64             `json:"response_header_timeout_seconds"` // 0: 10 s.
	TLS      struct {
		CA     string `json:"ca_cert"` // A file.
		System bool   `json:"system_ca_required"`
	} `json:"tls"`
	Credentials struct {
		Bearer *struct {
			Token  string `json:"token"`
			Path   string `json:"token_path"`
			Scheme string `json:"scheme"`
		} `json:"bearer"`
		Client *struct {
			Certificate string `json:"cert"` // A file.
			Key         string `json:"private_key"`
			CA          string `json:"ca_cert"`
			System      bool   `json:"system_ca_required"`
		} `json:"client_tls"`
	} `json:"credentials"`
}

// headerLimit is how long a server may take to begin its answer where nothing else is said.
const headerLimit = 10 * time.Second

// Resource returns the URL of something that the service has.
func (s Service) Resource(path string) (string, error) {
	base, err := url.Parse(strings.TrimSuffix(s.URL, "/"))
	if err != nil || base.Host == "" || base.Scheme != "https" && base.Scheme != "http" {
		return "", errors.New("the url of the service is not one of an HTTP server")
	}
	return base.String() + "/" + strings.TrimPrefix(path, "/"), nil
}

// Client returns a client for the service. wait is how long the server may hold an answer back, beyond its timeout.
func (s Service) Client(wait time.Duration) (*http.Client, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: s.Insecure} //nolint:gosec // The file says so in so many words.
	if err := s.trust(config); err != nil {
		return nil, err
	}
	if c := s.Credentials.Client; c != nil {
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(c.Certificate, c.Key)
			return &pair, err
		}
	}
	timeout := headerLimit
	if s.Timeout > 0 {
		timeout = time.Duration(s.Timeout) * time.Second
	}
	return &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: config, ResponseHeaderTimeout: timeout + wait,
		TLSHandshakeTimeout: headerLimit, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true,
	}}, nil
}

// trust sets by whom the server must be vouched for.
func (s Service) trust(config *tls.Config) error {
	file, system := s.TLS.CA, s.TLS.System
	if c := s.Credentials.Client; c != nil && file == "" {
		file, system = c.CA, c.System
	}
	if file == "" {
		return nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read the service's authority: %w", err)
	}
	config.RootCAs = x509.NewCertPool()
	if system {
		if config.RootCAs, err = x509.SystemCertPool(); err != nil {
			return fmt.Errorf("read the system's authorities: %w", err)
		}
	}
	if !config.RootCAs.AppendCertsFromPEM(text) {
		return fmt.Errorf("%s holds no certificate", file)
	}
	return nil
}

// Head writes the headers and credentials of a request to the service. A token in a file is read anew each time.
func (s Service) Head(header http.Header) error {
	for name, value := range s.Headers {
		header.Set(name, value)
	}
	b := s.Credentials.Bearer
	if b == nil {
		return nil
	}
	token := b.Token
	if b.Path != "" {
		text, err := os.ReadFile(b.Path)
		if err != nil {
			return fmt.Errorf("read the service's token: %w", err)
		}
		token = strings.TrimSpace(string(text))
	}
	scheme := b.Scheme
	if scheme == "" {
		scheme = "Bearer"
	}
	header.Set("Authorization", scheme+" "+token)
	return nil
}
