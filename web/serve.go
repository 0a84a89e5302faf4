package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// How long a client may take. Writing takes the longest, because of exports.
const (
	headerTimeout   = 5 * time.Second
	readTimeout     = 30 * time.Second
	writeTimeout    = 2 * time.Minute
	idleTimeout     = 2 * time.Minute
	shutdownTimeout = 8 * time.Second
	maxHeaderBytes  = 64 << 10
)

// Listen listens on the address (host:port) of a setting.
func Listen(ctx context.Context, setting, addr string) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listening on %s (%s; does another process use it?): %w", addr, setting, err)
	}
	return listener, nil
}

// ServeOn serves until ctx ends; then it accepts no new connection, lets requests finish
// for up to eight seconds, and returns nil. Any other end is an error. It closes the
// listener. security may be nil, for plain HTTP.
func ServeOn(ctx context.Context, listener net.Listener, security *tls.Config, log *slog.Logger, handler http.Handler) error {
	server := &http.Server{
		Handler:           handler,
		TLSConfig:         security,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug), // connections that end early
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		// Requests outlive ctx: the shutdown waits for them.
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
	}
	served := make(chan error, 1)
	go func() {
		if security != nil {
			served <- server.ServeTLS(listener, "", "")
			return
		}
		served <- server.Serve(listener)
	}()
	select {
	case err := <-served:
		return fmt.Errorf("serving %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	err := shutdown(context.WithoutCancel(ctx), server)
	if ended := <-served; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	if err != nil {
		return fmt.Errorf("closing %s: %w", listener.Addr(), err)
	}
	return nil
}

// shutdown waits for requests, and closes their connections after shutdownTimeout.
func shutdown(ctx context.Context, server *http.Server) error {
	ctx, cancel := context.WithTimeout(ctx, shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return errors.Join(err, server.Close())
	}
	return nil
}
