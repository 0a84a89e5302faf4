package config

import (
	"io"
	"log/slog"

	"referral/internal/tracing"
)

// Log is how much is logged, and in which form.
type Log struct {
	Level  string `yaml:"level"`  // debug, info, warn or error
	Format string `yaml:"format"` // json or text
}

func (l *Log) validate(found *findings) {
	found.oneOf("log.level", l.Level, "debug", "info", "warn", "error")
	found.oneOf("log.format", l.Format, "json", "text")
}

// Logger writes to w as a validated Log says.
func (l *Log) Logger(w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.Level)); err != nil {
		level = slog.LevelInfo
	}
	options := &slog.HandlerOptions{Level: level}
	var handler slog.Handler = slog.NewJSONHandler(w, options)
	if l.Format == "text" {
		handler = slog.NewTextHandler(w, options)
	}
	return slog.New(tracing.LogHandler(handler))
}
