package advice_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"referral/cmd/referral/advice"
	"referral/internal/subprocess"
)

// A server that is down is not advised to switch TLS on, when a connection without TLS
// would do.
func TestRefusedConnectionIsNotAboutTLS(t *testing.T) {
	t.Parallel()
	address, err := subprocess.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	_, err = pgx.Connect(t.Context(), "postgres://referral@"+address+"/referral?target_session_attrs=read-write")
	if err == nil {
		t.Fatal("connected to nothing")
	}
	if text := advice.OfDatabase(err).Error(); strings.Contains(text, "has no TLS") {
		t.Error(text)
	}
}
