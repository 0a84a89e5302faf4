package smtp

import (
	"errors"
	"fmt"

	gomail "github.com/wneessen/go-mail"

	"referral/models"
)

// away is an error of getting a connection.
func away(what string, err error) error {
	return fmt.Errorf("mail: %s: %w: %w", what, models.ErrTransportAway, err)
}

// classify says what became of a message. The server's own words are left out:
// they quote the recipient.
func classify(err error) error {
	if err == nil {
		return nil
	}
	var failed *gomail.SendError
	if !errors.As(err, &failed) {
		return errors.New("mail: the message broke off")
	}
	code := failed.ErrorCode()
	switch failed.Reason {
	case gomail.ErrConnCheck:
		return fmt.Errorf("mail: the connection broke: %w", models.ErrTransportAway)
	case gomail.ErrSMTPReset:
		return nil // the message itself was taken
	case gomail.ErrSMTPMailFrom:
		// Whatever it says, it is about us: no reason to give the recipient up.
		return fmt.Errorf("mail: the server answered %d to our own address: %w", code, models.ErrTransportBusy)
	case gomail.ErrSMTPRcptTo, gomail.ErrSMTPData:
		return answered(failed, models.ErrTransportBusy)
	case gomail.ErrSMTPDataClose:
		return answered(failed, errors.New("the server did not answer to the whole message"))
	case gomail.ErrGetSender, gomail.ErrGetRcpts, gomail.ErrNoUnencoded:
		return fmt.Errorf("mail: it cannot be sent as it is: %w", models.ErrTransportRefuses)
	}
	return errors.New("mail: the message broke off")
}

// answered tells a refusal for good (5xx) from one that may pass (4xx); otherwise
// is what no answer means.
func answered(failed *gomail.SendError, otherwise error) error {
	code := failed.ErrorCode()
	switch {
	case code >= 500:
		otherwise = models.ErrTransportRefuses
	case code >= 400:
		otherwise = models.ErrTransportBusy
	}
	return fmt.Errorf("mail: the server answered %d %s: %w", code, failed.EnhancedStatusCode(), otherwise)
}
