package pages

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"mime"
	"net/http"
	"path"
	"strings"
)

//go:embed assets
var assetFiles embed.FS

// assets is the files that the pages load. Their names contain a hash of the content, so
// that browsers may cache them forever.
type assets struct {
	named map[string]string // portal.css → portal.1f2e….css
	files map[string]asset  // by the name with the hash
}

type asset struct {
	kind string
	body []byte
}

const assetCaching = "public, max-age=31536000, immutable"

func readAssets() (assets, error) {
	a := assets{named: map[string]string{}, files: map[string]asset{}}
	entries, err := assetFiles.ReadDir("assets")
	if err != nil {
		return a, fmt.Errorf("pages: reading the assets: %w", err)
	}
	for _, entry := range entries {
		body, err := assetFiles.ReadFile("assets/" + entry.Name())
		if err != nil {
			return a, fmt.Errorf("pages: reading the assets: %w", err)
		}
		a.add(entry.Name(), body)
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

// path returns the path of an asset; an unknown name is an error in a template.
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
	w.Header().Set("Cache-Control", assetCaching)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(file.body) // an error means that the client has disconnected
}
