package parts

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const wrapperName = "cc"

// finishCompiler makes an unpacked gcc work where it lies. Headers, start files
// and libraries are named to it one by one rather than by --sysroot, so that
// programs are linked against the C library they will run with, the system's.
func finishCompiler(prefix, final string, _ Tool) error {
	libs, err := filepath.Glob(filepath.Join(prefix, "usr/lib/*-linux-gnu*"))
	if err != nil || len(libs) == 0 {
		return fmt.Errorf("the compiler's packages hold no libraries below %s", prefix)
	}
	if err := mendLinkerScripts(libs[0], final); err != nil {
		return err
	}
	triplet := filepath.Base(libs[0])
	below := func(path string) string { return filepath.Join(final, path) }
	libraries := strings.Join(libraryDirs(prefix), ":")
	script := fmt.Sprintf(`#!/bin/sh
# gcc from a private directory; made by referral's internal/demo/parts
LD_LIBRARY_PATH='%s' exec '%s' -B'%s/' -B'%s/' -L'%s' -idirafter '%s' -idirafter '%s' "$@"
`,
		strings.ReplaceAll(libraries, prefix, final), below("usr/bin/gcc"),
		below("usr/bin"), below("usr/lib/"+triplet), below("usr/lib/"+triplet),
		below("usr/include/"+triplet), below("usr/include"))
	if err := os.WriteFile(filepath.Join(prefix, wrapperName), []byte(script), 0o755); err != nil {
		return fmt.Errorf("write the compiler's wrapper: %w", err)
	}
	return nil
}

// mendLinkerScripts corrects the .so files that are texts naming other files by
// absolute path: the static parts among these lie in the private directory.
func mendLinkerScripts(dir, final string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.so"))
	if err != nil {
		return fmt.Errorf("list linker scripts: %w", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(text, []byte("GNU ld script")) {
			continue // a library, or a link to one that is not there
		}
		words := strings.Split(string(text), " ")
		for i, word := range words {
			if strings.HasPrefix(word, "/") && strings.HasSuffix(word, ".a") {
				words[i] = final + word
			}
		}
		if err := os.WriteFile(file, []byte(strings.Join(words, " ")), 0o644); err != nil {
			return fmt.Errorf("mend linker script: %w", err)
		}
	}
	return nil
}
