package smpp

import (
	"cmp"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"time"

	"referral/internal/recovering"
)

// Options configures a client. Address, SystemID, Source, Log and Guard are required;
// a zero value elsewhere means the default.
type Options struct {
	Address     string      // host:port
	TLS         *tls.Config // nil for none
	SystemID    string
	Password    string
	SystemType  string
	ServiceType string
	Source      Address
	IDs         IDs            // IDsAlike
	Renew       func(*Options) // brings Password and TLS up to date for a connection; may be nil
	Log         *slog.Logger
	Guard       *recovering.Guard // of the handling of what the SMSC sends

	Window   int           // messages without an answer at a time; 10
	Timeout  time.Duration // of connecting, and of an answer; 10 s
	Enquire  time.Duration // silence of the SMSC before an enquire_link; 30 s
	RetryMin time.Duration // first pause between connections, doubling; 1 s
	RetryMax time.Duration // longest pause between connections; 1 min
	Throttle time.Duration // pause while the SMSC is busy; 1 s
}

func (o *Options) validate() error {
	_, _, err := net.SplitHostPort(o.Address)
	switch {
	case err != nil:
		return errors.New("smpp: the SMSC's address must be host:port")
	case o.SystemID == "" || len(o.SystemID) >= systemIDSize || len(o.Password) >= passwordSize || len(o.SystemType) >= systemTypeSize:
		return errors.New("smpp: the system id must have 1 to 15 characters, the password at most 8, the system type at most 12")
	case o.Source.Text == "" || len(o.Source.Text) >= addressSize || o.Source.TON == 5 && len(o.Source.Text) > 11:
		return errors.New("smpp: the source address must have 1 to 20 characters, an alphanumeric one at most 11")
	case o.IDs != "" && o.IDs != IDsAlike && o.IDs != IDsDecimal:
		return errors.New("smpp: ids must be alike or decimal")
	case o.Log == nil || o.Guard == nil:
		return errors.New("smpp: no log, or no guard")
	}
	return nil
}

func (o *Options) withDefaults() Options {
	d := *o
	d.IDs = cmp.Or(o.IDs, IDsAlike)
	d.Window = cmp.Or(o.Window, 10)
	d.Timeout = cmp.Or(o.Timeout, 10*time.Second)
	d.Enquire = cmp.Or(o.Enquire, 30*time.Second)
	d.RetryMin = cmp.Or(o.RetryMin, time.Second)
	d.RetryMax = cmp.Or(o.RetryMax, time.Minute)
	d.Throttle = cmp.Or(o.Throttle, time.Second)
	return d
}
