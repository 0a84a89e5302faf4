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
// What becomes of it follows from the first part that is not accepted. If it is
// the very first, nothing has gone out, and the peer's answer counts. If parts
// have gone out before, a refusal ends the message for good; one that may pass is
// waited for until ctx is done, and then ends it as well. A part without an answer
// leaves it open.
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

// incomplete is what the failure of a part means for its message.
func incomplete(err error, i, of int) error {
	known := errors.Is(err, models.ErrTransportRefuses) || errors.Is(err, models.ErrTransportBusy) || errors.Is(err, models.ErrTransportAway)
	if i == 0 || !known {
		return err
	}
	return fmt.Errorf("smpp: %w: part %d of %d was not accepted, and the ones before cannot be sent again (%s)",
		models.ErrTransportRefuses, i+1, of, err.Error())
}

// patience is how often a first part is tried when the peer says that we are too
// fast, before the message goes back to its queue. Later parts are tried until the
// time is up.
const patience = 3

func (c *Client) sendPart(ctx context.Context, to Address, p part, insist bool) (id string, err error) {
	for try := 1; ; try++ {
		id, err = c.tryPart(ctx, to, p)
		again := errors.Is(err, models.ErrTransportBusy) || errors.Is(err, models.ErrTransportAway) && insist
		if !again || !insist && try == patience {
			return id, err
		}
		sleep.For(ctx, c.options.Throttle)
		if ctx.Err() != nil {
			return "", err
		}
	}
}

func (c *Client) tryPart(ctx context.Context, to Address, p part) (string, error) {
	if err := c.turn(ctx); err != nil {
		return "", err
	}
	defer func() { <-c.window }()
	s, err := c.session()
	if err == nil && s.over() != nil {
		err = fmt.Errorf("smpp: %w: %w", models.ErrTransportAway, s.over())
	}
	if err != nil {
		return "", err
	}
	reply, err := s.ask(ctx, submitSM, submitBody(&c.options, to, p))
	if err != nil {
		return "", fmt.Errorf("smpp: it is not known whether the SMSC has taken it: %w", err)
	}
	if reply.status != statusOK {
		return "", c.refused(s, reply.status)
	}
	if reply.command != submitSM|answer {
		return "", errors.New("smpp: it is not known whether the SMSC has taken it: the answer is to something else")
	}
	id, err := submitted(reply.body)
	if err != nil {
		// It was taken; only its receipt will not be known.
		c.options.Log.Warn("the SMSC has taken a message without a readable id")
		return "", nil
	}
	return c.options.IDs.submitted(id), nil
}

// turn waits for a place in the window, and for the end of a pause that the peer
// has asked for.
func (c *Client) turn(ctx context.Context) error {
	select {
	case c.window <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("smpp: %w: no turn in time", models.ErrTransportAway)
	}
	c.mutex.Lock()
	wait := time.Until(c.throttled)
	c.mutex.Unlock()
	if wait > 0 {
		sleep.For(ctx, wait)
	}
	if ctx.Err() != nil {
		<-c.window
		return fmt.Errorf("smpp: %w: no turn in time", models.ErrTransportAway)
	}
	return nil
}

// refused is what a peer's answer other than OK means.
func (c *Client) refused(s *session, st status) error {
	kind := models.ErrTransportRefuses
	switch st {
	case statusThrottled, statusQueueFull:
		kind = models.ErrTransportBusy
		c.mutex.Lock()
		c.throttled = time.Now().Add(c.options.Throttle)
		c.mutex.Unlock()
	case statusSystemError, statusTemporary, statusUnknown:
		kind = models.ErrTransportBusy
	case statusBadSource, statusSourceTON, statusSourceNPI, statusBadService:
		kind = models.ErrTransportBusy // about us: no reason to give the recipient up
	case statusBadBind:
		kind = models.ErrTransportAway
		s.end(errors.New("the SMSC does not know that we are bound"))
	}
	return fmt.Errorf("smpp: %w (status %#x)", kind, uint32(st))
}
