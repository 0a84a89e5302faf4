package toolchain

import (
	"context"
	"io"

	"referral/internal/toolcache"
)

// XMLLint finds the validator of XML files.
func XMLLint(ctx context.Context, log io.Writer) (toolcache.Tool, error) {
	return toolcache.Spec{
		Name: "xmllint", Dir: "xmllint", Size: "about 1 MB",
		Packages: [][]string{{"libxml2-utils"}},
		System:   func() []toolcache.Tool { return toolcache.OnPath("xmllint") },
		Private:  func(prefix string) []toolcache.Tool { return toolcache.BinDirs(prefix, "usr/bin") },
		Check: func(ctx context.Context, t toolcache.Tool) error {
			return toolcache.Run(t.Command(ctx, "xmllint", "--version"))
		},
		Remedy: "install xmllint yourself (apt-get install libxml2-utils)",
	}.Get(ctx, log)
}
