package toolchain

import (
	"context"
	"io"
	"regexp"

	"referral/internal/toolcache"
)

// Systemd finds the programs systemd-analyze, systemd-sysusers and systemctl, which check
// units without a running systemd.
func Systemd(ctx context.Context, log io.Writer) (toolcache.Tool, error) {
	return toolcache.Spec{
		Name: "systemd", Dir: "systemd", Size: "about 10 MB",
		Packages: [][]string{{"systemd"}},
		// What a booted system needs.
		Without: regexp.MustCompile(`^(adduser|passwd|mount|util-linux.*|dbus.*|libpam-.*|libnss-.*|systemd-timesyncd|ntp.*)$`),
		System:  func() []toolcache.Tool { return toolcache.OnPath("systemd-analyze") },
		Private: func(prefix string) []toolcache.Tool { return toolcache.BinDirs(prefix, "usr/bin") },
		Check: func(ctx context.Context, t toolcache.Tool) error {
			return toolcache.Run(t.Command(ctx, "systemd-analyze", "--version"))
		},
		Remedy: "install systemd yourself (apt-get install systemd)",
	}.Get(ctx, log)
}
