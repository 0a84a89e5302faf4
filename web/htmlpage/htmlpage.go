// Package htmlpage reads the HTML pages of a site, each within the layout of the site,
// and writes them whole or not at all.
package htmlpage

import (
	"bytes"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
)

// Set is the pages of a site by name.
type Set map[string]*template.Template

// Read reads NAME.html from the folder templates for each name. The files of layout are
// read with every page, and the first of them is the page itself.
func Read(files fs.FS, functions template.FuncMap, layout, names []string) (Set, error) {
	paths := make([]string, len(layout))
	for i, file := range layout {
		paths[i] = "templates/" + file
	}
	around, err := template.New(layout[0]).Funcs(functions).ParseFS(files, paths...)
	if err != nil {
		return nil, fmt.Errorf("reading the layout: %w", err)
	}
	set := Set{}
	for _, name := range names {
		page, err := around.Clone()
		if err == nil {
			page, err = page.ParseFS(files, "templates/"+name+".html")
		}
		if err != nil {
			return nil, fmt.Errorf("reading the template of %q: %w", name, err)
		}
		set[name] = page
	}
	return set, nil
}

// Write answers with a page. When its template fails, nothing is written.
func (s Set) Write(w http.ResponseWriter, status int, name string, data any) error {
	var page bytes.Buffer
	if err := s[name].Execute(&page, data); err != nil {
		return fmt.Errorf("rendering the page %q: %w", name, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Robots-Tag", "noindex")
	w.WriteHeader(status)
	_, _ = w.Write(page.Bytes()) // an error means that the browser has disconnected
	return nil
}
