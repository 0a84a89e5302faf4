package toolchain

import (
	"context"
	"io"
	"regexp"

	"referral/internal/toolcache"
)

// PgBouncer finds the connection pooler.
func PgBouncer(ctx context.Context, log io.Writer) (toolcache.Tool, error) {
	return toolcache.Spec{
		Name: "PgBouncer", Dir: "pgbouncer", Size: "about 3 MB",
		Packages: [][]string{{"pgbouncer"}},
		// Without these it runs all the same: they make it a service of the system.
		Without: regexp.MustCompile(`^(postgresql-.*|ssl-cert|perl|perl-.*|libperl.*|lib.*-perl|netbase|sensible-utils|ucf|systemd.*|init-.*|lsb-base|adduser|passwd|python.*)$`),
		System: func() []toolcache.Tool {
			return append(toolcache.OnPath("pgbouncer"), toolcache.BinDirs("/", "usr/sbin")...)
		},
		Private: func(prefix string) []toolcache.Tool { return toolcache.BinDirs(prefix, "usr/sbin") },
		Check: func(ctx context.Context, t toolcache.Tool) error {
			return toolcache.Run(t.Command(ctx, "pgbouncer", "--version"))
		},
		Remedy: "install PgBouncer yourself (apt-get install pgbouncer)",
	}.Get(ctx, log)
}
