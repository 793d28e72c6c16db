package observed

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gatehouse/gatehouse/gateway"
)

// maxPEM bounds a file of a certificate or a key, in bytes.
const maxPEM = 1 << 20

// Certificates reads what the files of Certificates hold.
type Certificates struct {
	Dir string           // The directory to which relative paths belong.
	Now func() time.Time // The clock by which a certificate is valid.
}

// Read reads the files of certificates. A certificate whose files cannot be used has a fault and no pair; one that is not
// valid now has both. Neither a fault nor an error quotes what a file holds.
func (c Certificates) Read(list []*gateway.Certificate) (map[string]gateway.KeyPair, gateway.Faults) {
	pairs := map[string]gateway.KeyPair{}
	var faults gateway.Faults
	for _, certificate := range list {
		pair, err := c.pair(certificate)
		if err == nil {
			pairs[certificate.Name] = pair
			err = pair.CheckTime(c.Now())
		}
		if why, ok := errors.AsType[*gateway.PairError](err); ok {
			faults = append(faults, gateway.Fault{
				Code: why.Code, Place: certificate.Origin.At(why.Field), Field: why.Field, Message: why.Text,
				Object: gateway.Ref{Kind: gateway.KindCertificate, Name: certificate.Name},
			})
		}
	}
	return pairs, faults.Sort()
}

// Files returns the absolute paths of the files that certificates name.
func (c Certificates) Files(list []*gateway.Certificate) []string {
	var files []string
	for _, certificate := range list {
		files = append(files, c.path(certificate.Chain), c.path(certificate.Key))
	}
	return files
}

// path returns the absolute path of a file.
func (c Certificates) path(named string) string {
	if !filepath.IsAbs(named) {
		named = filepath.Join(c.Dir, filepath.FromSlash(named))
	}
	if path, err := filepath.Abs(named); err == nil {
		return path
	}
	return named
}

// pair reads and checks one pair. The error is a *gateway.PairError.
func (c Certificates) pair(certificate *gateway.Certificate) (gateway.KeyPair, error) {
	chain, err := readPEM("chain", c.path(certificate.Chain))
	if err != nil {
		return gateway.KeyPair{}, err
	}
	key, err := readPEM("key", c.path(certificate.Key))
	if err != nil {
		return gateway.KeyPair{}, err
	}
	pair, err := gateway.ReadKeyPair(chain, key)
	pair.ChainFile, pair.KeyFile = c.path(certificate.Chain), c.path(certificate.Key)
	return pair, err
}

// readPEM reads a file whole. The error is a *gateway.PairError.
func readPEM(field, path string) ([]byte, error) {
	fault := func(format string, args ...any) error {
		return &gateway.PairError{Code: gateway.CodeCertificateFile, Field: field, Text: fmt.Sprintf(format, args...)}
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fault("there is no file %s: correct the path, or put the file there", path)
	case err != nil:
		return nil, fault("the file %s cannot be read: %s", path, reason(err))
	case !info.Mode().IsRegular(): // A pipe would wait for ever.
		return nil, fault("%s is no regular file: write the path of one", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fault("the file %s cannot be read: %s; the daemon's user must be allowed to", path, reason(err))
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPEM+1))
	if err != nil {
		return nil, fault("the file %s cannot be read: %s", path, reason(err))
	}
	if len(text) > maxPEM {
		return nil, fault("the file %s is larger than 1 MiB: it is no certificate", path)
	}
	return text, nil
}

// reason is what an error says beside the path, which the fault names already.
func reason(err error) string {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		err = p.Err
	}
	return err.Error()
}
