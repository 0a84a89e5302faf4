package store

import (
	"fmt"

	"github.com/pressly/goose/v3"
)

// SchemaVersion is the version of the schema that this program works on: that of its
// newest migration.
func SchemaVersion() (int64, error) {
	files, err := migrations.ReadDir("migrations")
	if err != nil {
		return 0, fmt.Errorf("opening the migrations: %w", err)
	}
	version, err := goose.NumericComponent(files[len(files)-1].Name())
	return version, wrap("reading the version of the newest migration", err)
}
