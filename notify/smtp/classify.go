package smtp

import (
	"errors"
	"fmt"

	gomail "github.com/wneessen/go-mail"

	"referral/models"
)

// classify converts an error of sending. The server's text is left out, because it
// quotes the recipient.
func classify(err error) error {
	if err == nil {
		return nil
	}
	var failed *gomail.SendError
	if !errors.As(err, &failed) {
		return errors.New("smtp: sending the message was interrupted")
	}
	code := failed.ErrorCode()
	switch failed.Reason {
	case gomail.ErrConnCheck:
		return fmt.Errorf("smtp: the connection was lost: %w", models.ErrTransportUnreachable)
	case gomail.ErrSMTPReset:
		return nil // the message itself was accepted
	case gomail.ErrSMTPMailFrom:
		// The fault is ours, so the recipient is not given up.
		return fmt.Errorf("smtp: the server answered %d to our own address: %w", code, models.ErrTransportBusy)
	case gomail.ErrSMTPRcptTo, gomail.ErrSMTPData:
		return answered(failed, models.ErrTransportBusy)
	case gomail.ErrSMTPDataClose:
		return answered(failed, errors.New("the server did not answer to the complete message"))
	case gomail.ErrGetSender, gomail.ErrGetRcpts, gomail.ErrNoUnencoded:
		return fmt.Errorf("smtp: the message is invalid: %w", models.ErrMessageRefused)
	}
	return errors.New("smtp: sending the message was interrupted")
}

// answered distinguishes a permanent refusal (5xx) from a temporary one (4xx);
// otherwise is the error for no answer.
func answered(failed *gomail.SendError, otherwise error) error {
	code := failed.ErrorCode()
	switch {
	case code >= 500:
		otherwise = models.ErrMessageRefused
	case code >= 400:
		otherwise = models.ErrTransportBusy
	}
	return fmt.Errorf("smtp: the server answered %d %s: %w", code, failed.EnhancedStatusCode(), otherwise)
}
