package decisions

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
)

// File writes JSON lines into a file and turns it over before it becomes too long: FILE becomes FILE.1, which was FILE.2 before, and so
// on. Only its owner reads it. It is for one goroutine.
type File struct {
	path   string
	bytes  int64
	keep   int
	file   *os.File
	length int64
}

// OpenFile opens a file for adding, of at most that many bytes, with as many older ones beside it as keep says. Half a line at its
// end, as a crash leaves, is cut off.
func OpenFile(path string, bytes int64, keep int) (*File, error) {
	f := &File{path: path, bytes: bytes, keep: keep}
	if err := f.open(); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *File) open() error {
	file, err := os.OpenFile(f.path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("open the decision log: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("open the decision log: %w", err), file.Close())
	}
	f.file, f.length = file, info.Size()
	if info.Mode().IsRegular() {
		if f.length, err = wholeLines(file, f.length); err != nil {
			return errors.Join(err, file.Close())
		}
	}
	return nil
}

// wholeLines cuts off what follows the last line feed of a file, and leaves the file at its end.
func wholeLines(file *os.File, length int64) (int64, error) {
	const step = 64 << 10
	whole := int64(0)
	for end := length; end > 0 && whole == 0; end -= step {
		begin := max(0, end-step)
		text := make([]byte, end-begin)
		if _, err := file.ReadAt(text, begin); err != nil && !errors.Is(err, io.EOF) {
			return 0, fmt.Errorf("read the end of the decision log: %w", err)
		}
		if i := bytes.LastIndexByte(text, '\n'); i >= 0 {
			whole = begin + int64(i) + 1
		}
	}
	if whole < length {
		if err := file.Truncate(whole); err != nil {
			return 0, fmt.Errorf("cut half a line off the decision log: %w", err)
		}
	}
	if _, err := file.Seek(whole, io.SeekStart); err != nil {
		return 0, fmt.Errorf("find the end of the decision log: %w", err)
	}
	return whole, nil
}

// Write adds lines. Where not all of them could be written, none of them is there afterwards, as far as the disk allows.
func (f *File) Write(lines []byte) (int, error) {
	if f.file == nil {
		if err := f.open(); err != nil {
			return 0, err
		}
	}
	if f.length > 0 && f.length+int64(len(lines)) > f.bytes {
		if err := f.turn(); err != nil {
			return 0, err
		}
	}
	n, err := f.file.Write(lines)
	if err != nil {
		if n > 0 && f.file.Truncate(f.length) == nil {
			_, seekErr := f.file.Seek(f.length, io.SeekStart)
			err = errors.Join(err, seekErr)
		}
		return 0, fmt.Errorf("write the decision log: %w", err)
	}
	f.length += int64(n)
	return n, nil
}

// turn begins the file anew, and keeps the one before.
func (f *File) turn() error {
	err := f.file.Close()
	f.file, f.length = nil, 0
	for i := f.keep; i > 0 && err == nil; i-- {
		from := f.path
		if i > 1 {
			from += "." + strconv.Itoa(i-1)
		}
		if err = os.Rename(from, f.path+"."+strconv.Itoa(i)); errors.Is(err, os.ErrNotExist) {
			err = nil
		}
	}
	if err == nil && f.keep == 0 {
		err = os.Remove(f.path)
	}
	if err != nil {
		return fmt.Errorf("turn the decision log over: %w", err)
	}
	return f.open()
}

// Close closes the file.
func (f *File) Close() error {
	if f.file == nil {
		return nil
	}
	err := f.file.Close()
	f.file = nil
	return err
}
