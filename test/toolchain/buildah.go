package toolchain

import (
	"context"
	"io"
	"regexp"

	"referral/internal/toolcache"
)

// Buildah finds the program buildah, which builds container images without a service.
// Its storage is what the environment variable CONTAINERS_STORAGE_CONF names.
func Buildah(ctx context.Context, log io.Writer) (toolcache.Tool, error) {
	return toolcache.Spec{
		Name: "Buildah", Dir: "buildah", Size: "about 7 MB",
		Packages: [][]string{{"buildah"}},
		// What runs containers and gives them networks: images are only built.
		Without: regexp.MustCompile(`^(login|passwd|uidmap|iptables|libip.*|libnf.*|containernetworking-plugins|netavark|aardvark-dns|crun|runc|conmon|fuse.*|libfuse.*|dbus.*|systemd.*|passt|criu|libcriu.*|python.*)$`),
		System:  func() []toolcache.Tool { return toolcache.OnPath("buildah") },
		Private: func(prefix string) []toolcache.Tool {
			return []toolcache.Tool{{BinDir: prefix, Program: "buildah"}}
		},
		Finish: func(prefix, final string, _ toolcache.Tool) error { return writeWrapper(prefix, final, "buildah") },
		Check: func(ctx context.Context, t toolcache.Tool) error {
			return toolcache.Run(t.Command(ctx, "buildah", "--version"))
		},
		Remedy: "install Buildah yourself (apt-get install buildah)",
	}.Get(ctx, log)
}
