package smpp

import (
	"context"
	"errors"
	"fmt"
	"time"

	"referral/internal/sleep"
	"referral/models"
)

// Send sends one message, in as many parts as it needs, one after the other.
//
// The first part that is not accepted decides. If it is the first of the message,
// nothing has been sent, and the answer of the SMSC counts. If parts have been sent
// before, a refusal fails the message, and a temporary one is retried until ctx is done
// and then fails it too. After a part without an answer the outcome is unknown.
func (c *Client) Send(ctx context.Context, m *models.InvitationMessage) ([]string, error) {
	to, err := destination(m.Recipient)
	if err != nil {
		return nil, err
	}
	parts, err := split(m.Text, m.ID[len(m.ID)-1])
	if err != nil {
		return nil, err
	}
	ids := make([]string, 0, len(parts))
	for i := range parts {
		id, err := c.sendPart(ctx, to, parts[i], i > 0)
		if err != nil {
			return nil, incomplete(err, i, len(parts))
		}
		if id != "" {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// incomplete returns the error of a message for that of a part.
func incomplete(err error, i, of int) error {
	known := errors.Is(err, models.ErrMessageRefused) || errors.Is(err, models.ErrTransportBusy) || errors.Is(err, models.ErrTransportUnreachable)
	if i == 0 || !known {
		return err
	}
	return fmt.Errorf("smpp: %w: part %d of %d was not accepted, and earlier parts must not be sent twice (%s)",
		models.ErrMessageRefused, i+1, of, err.Error())
}

// maxFirstTries is how often the first part is tried while the SMSC is busy, before
// the message returns to its queue. Later parts are tried until ctx is done.
const maxFirstTries = 3

func (c *Client) sendPart(ctx context.Context, to Address, p part, later bool) (id string, err error) {
	for try := 1; ; try++ {
		id, err = c.tryPart(ctx, to, p)
		temporary := errors.Is(err, models.ErrTransportBusy) || errors.Is(err, models.ErrTransportUnreachable) && later
		if !temporary || !later && try == maxFirstTries || !sleep.For(ctx, c.options.Throttle) {
			return id, err
		}
	}
}

func (c *Client) tryPart(ctx context.Context, to Address, p part) (string, error) {
	if err := c.acquire(ctx); err != nil {
		return "", err
	}
	defer func() { <-c.window }()
	s, err := c.session()
	if err == nil && s.ctx.Err() != nil {
		err = fmt.Errorf("smpp: %w: %w", models.ErrTransportUnreachable, context.Cause(s.ctx))
	}
	if err != nil {
		return "", err
	}
	reply, err := s.request(ctx, submitSM, submitBody(&c.options, to, p))
	if err != nil {
		return "", fmt.Errorf("smpp: it is unknown whether the SMSC has accepted the message: %w", err)
	}
	if reply.status != statusOK {
		return "", c.refused(s, reply.status)
	}
	if reply.command != submitSM|answer {
		return "", errors.New("smpp: it is unknown whether the SMSC has accepted the message: its answer is to another command")
	}
	id, err := submitted(reply.body)
	if err != nil {
		// It was accepted; only its receipt cannot be matched.
		c.options.Log.WarnContext(ctx, "smpp: the SMSC has accepted a message without a readable id", "error", err)
		return "", nil
	}
	return c.options.IDs.submitted(id), nil
}

// acquire waits for a place in the window, and for the end of a pause that the SMSC has
// asked for.
func (c *Client) acquire(ctx context.Context) error {
	select {
	case c.window <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("smpp: %w: no place in the window in time", models.ErrTransportUnreachable)
	}
	c.mutex.Lock()
	wait := time.Until(c.throttled)
	c.mutex.Unlock()
	if wait > 0 {
		sleep.For(ctx, wait)
	}
	if ctx.Err() != nil {
		<-c.window
		return fmt.Errorf("smpp: %w: no place in the window in time", models.ErrTransportUnreachable)
	}
	return nil
}

// refused returns the error for a status other than OK.
func (c *Client) refused(s *session, st status) error {
	kind := models.ErrMessageRefused
	switch st {
	case statusThrottled, statusQueueFull:
		kind = models.ErrTransportBusy
		c.mutex.Lock()
		c.throttled = time.Now().Add(c.options.Throttle)
		c.mutex.Unlock()
	case statusSystemError, statusTemporary, statusUnknown:
		kind = models.ErrTransportBusy
	case statusBadSource, statusSourceTON, statusSourceNPI, statusBadService:
		kind = models.ErrTransportBusy // about our own address, not the recipient
	case statusBadBind:
		kind = models.ErrTransportUnreachable
		s.end(errors.New("the SMSC has lost our binding"))
	}
	return fmt.Errorf("smpp: %w (status %#x)", kind, uint32(st))
}
