package toolchain

import (
	"context"
	"io"
	"regexp"

	"referral/internal/toolcache"
)

// Prometheus finds the programs prometheus and promtool.
func Prometheus(ctx context.Context, log io.Writer) (toolcache.Tool, error) {
	return toolcache.Spec{
		Name: "Prometheus", Dir: "prometheus", Size: "about 45 MB",
		Packages: [][]string{{"prometheus"}},
		// Without these it runs all the same: they make it a service of the system, or
		// its pages look better.
		Without: regexp.MustCompile(`^(adduser|passwd|fonts-.*|libjs-.*|node-.*|init-.*|systemd.*|lsb-base|perl.*|libperl.*)$`),
		System:  func() []toolcache.Tool { return toolcache.OnPath("promtool") },
		Private: func(prefix string) []toolcache.Tool { return toolcache.BinDirs(prefix, "usr/bin") },
		Check: func(ctx context.Context, t toolcache.Tool) error {
			if err := toolcache.Run(t.Command(ctx, "prometheus", "--version")); err != nil {
				return err
			}
			return toolcache.Run(t.Command(ctx, "promtool", "--version"))
		},
		Remedy: "install Prometheus yourself (apt-get install prometheus)",
	}.Get(ctx, log)
}
