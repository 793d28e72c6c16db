// Package handover lets a process start its successor and give it what it holds: the sockets that it listens on, as inherited
// file descriptors, and whatever both want to tell each other.
//
// In: a command and the open sockets. Out: for the old process a Successor, for the new one a Predecessor, each with a channel
// of framed messages and a connection for calls. What the messages say is the caller's matter. While both live they share each
// listening socket and its queue, so that no connection is refused in between.
package handover

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"
)

// MessageMax is the longest body of a message, in bytes.
const MessageMax = 16 << 20

// headerSize is what stands before each body: its kind in a byte, its length in four.
const headerSize = 5

// Message is one thing that a process tells the other.
type Message struct {
	Kind byte
	Body []byte
}

// Channel carries messages between the two processes, in order. One goroutine may send while another receives.
type Channel struct{ conn net.Conn }

// Send sends a message. It returns io.EOF when the other process has ended or closed its side, and ctx's error when ctx ends
// first; the channel is of no use then.
func (c *Channel) Send(ctx context.Context, kind byte, body []byte) error {
	if len(body) > MessageMax {
		return fmt.Errorf("a message of %d bytes is longer than the %d that are allowed", len(body), MessageMax)
	}
	defer c.until(ctx, c.conn.SetWriteDeadline)()
	frame := binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body))) //nolint:gosec // At most MessageMax.
	_, err := c.conn.Write(append(frame, body...))
	return cause(ctx, err)
}

// Receive returns the next message. It returns io.EOF when the other process has ended or closed its side.
func (c *Channel) Receive(ctx context.Context) (Message, error) {
	defer c.until(ctx, c.conn.SetReadDeadline)()
	var header [headerSize]byte
	if _, err := io.ReadFull(c.conn, header[:]); err != nil {
		return Message{}, cause(ctx, err)
	}
	size := binary.BigEndian.Uint32(header[1:])
	if size > MessageMax {
		return Message{}, fmt.Errorf("a message of %d bytes is announced, and %d are allowed", size, MessageMax)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(c.conn, body); err != nil {
		return Message{}, cause(ctx, err)
	}
	return Message{Kind: header[0], Body: body}, nil
}

// Close closes this side; the other one receives io.EOF.
func (c *Channel) Close() error { return c.conn.Close() }

// until makes reading or writing end with ctx, and returns what undoes that.
func (c *Channel) until(ctx context.Context, deadline func(time.Time) error) (undo func()) {
	stop := context.AfterFunc(ctx, func() { _ = deadline(time.Unix(1, 0)) }) // It fails only on a closed connection.
	return func() {
		if stop() {
			_ = deadline(time.Time{})
		}
	}
}

// cause returns why ctx ended, where that is the reason of an error.
func cause(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for _, end := range []error{io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, end) {
			return io.EOF // Cut off within a message, or before it read what was sent: it ended all the same.
		}
	}
	return err
}
