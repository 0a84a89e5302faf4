package workload

import (
	"fmt"
	"time"
)

// Registration is the registration of one client more than a life has, with an id and
// at a time of the caller's: somebody who may still enter a code.
func Registration(id int64, at time.Time) Message {
	a := &account{id: id, taxID: fmt.Sprintf("78%08d", id%100_000_000), registered: occurrence{at: at}}
	return a.registration().message(false)
}
