package pages

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

//go:embed assets
var assetFiles embed.FS

// assets are the files that the pages load: kept under a name with the hash of
// the content, so that a browser may keep them permanently.
type assets struct {
	named map[string]string // portal.css → portal.1f2e….css
	files map[string]asset  // by the name with the hash
}

type asset struct {
	kind string
	body []byte
}

// A page of an older release, open in a browser, may ask for a name that is gone;
// it has the file already, or is told no.
const assetLife = "public, max-age=31536000, immutable"

func readAssets() (assets, error) {
	a := assets{named: map[string]string{}, files: map[string]asset{}}
	err := fs.WalkDir(assetFiles, "assets", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := assetFiles.ReadFile(file)
		if err != nil {
			return err
		}
		a.add(path.Base(file), body)
		return nil
	})
	if err != nil {
		return a, fmt.Errorf("pages: reading the assets: %w", err)
	}
	return a, nil
}

func (a assets) add(name string, body []byte) {
	sum := sha256.Sum256(body)
	extension := path.Ext(name)
	hashed := strings.TrimSuffix(name, extension) + "." + hex.EncodeToString(sum[:8]) + extension
	a.named[name] = hashed
	a.files[hashed] = asset{mime.TypeByExtension(extension), body}
}

// path is where an asset is to be had; an unknown one is a template's mistake.
func (a assets) path(name string) (string, error) {
	hashed, ok := a.named[name]
	if !ok {
		return "", fmt.Errorf("no asset %q", name)
	}
	return pathAssets + hashed, nil
}

// ServeHTTP serves the asset that {name} names.
func (a assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	file, ok := a.files[r.PathValue("name")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", file.kind)
	w.Header().Set("Cache-Control", assetLife)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	// An error here is a client that has gone away.
	_, _ = w.Write(file.body)
}
