package toolchain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"referral/internal/toolcache"
)

// CCompiler finds a C compiler with the headers of the C library, which the
// race detector needs. Env tells the go command to use it.
func CCompiler(ctx context.Context, log io.Writer) (toolcache.Tool, error) {
	return toolcache.Spec{
		Name: "a C compiler", Dir: "gcc", Size: "about 50 MB",
		Packages: [][]string{{"gcc"}, {"libc6-dev"}},
		System: func() []toolcache.Tool {
			var tools []toolcache.Tool
			for _, name := range []string{os.Getenv("CC"), "gcc", "clang", "cc"} {
				if path, err := exec.LookPath(name); name != "" && err == nil {
					tools = append(tools, compiler(path))
				}
			}
			return tools
		},
		Private: func(prefix string) []toolcache.Tool {
			return []toolcache.Tool{compiler(filepath.Join(prefix, wrapperName))}
		},
		Finish: finishCompiler,
		Check:  checkCompiler,
		Remedy: "install a C compiler yourself (apt-get install gcc libc6-dev)",
	}.Get(ctx, log)
}

func compiler(path string) toolcache.Tool {
	return toolcache.Tool{BinDir: filepath.Dir(path), Program: filepath.Base(path), Env: []string{"CGO_ENABLED=1", "CC=" + path}}
}

// checkCompiler compiles and links: a compiler without the C library's headers
// is common, and of no use.
func checkCompiler(ctx context.Context, t toolcache.Tool) (err error) {
	dir, err := os.MkdirTemp("", "referral-cc-*")
	if err != nil {
		return fmt.Errorf("try the compiler: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	source := filepath.Join(dir, "try.c")
	const program = "#include <stdlib.h>\n#include <pthread.h>\nint main(void) { return abs(0); }\n"
	if err := os.WriteFile(source, []byte(program), 0o600); err != nil {
		return fmt.Errorf("try the compiler: %w", err)
	}
	return toolcache.Run(exec.CommandContext(ctx, t.Path(t.Program), "-pthread", "-o", filepath.Join(dir, "try"), source))
}

const wrapperName = "cc"

// finishCompiler makes an unpacked gcc work where it lies. Headers, start files
// and libraries are named to it one by one rather than by --sysroot, so that
// programs are linked against the C library they will run with, the system's.
func finishCompiler(prefix, final string, _ toolcache.Tool) error {
	libs, err := filepath.Glob(filepath.Join(prefix, "usr/lib/*-linux-gnu*"))
	if err != nil || len(libs) == 0 {
		return fmt.Errorf("the compiler's packages hold no libraries below %s", prefix)
	}
	if err := fixLinkerScripts(libs[0], final); err != nil {
		return err
	}
	triplet := filepath.Base(libs[0])
	below := func(path string) string { return filepath.Join(final, path) }
	libraries := strings.Join(toolcache.LibraryDirs(prefix), ":")
	script := fmt.Sprintf(`#!/bin/sh
# gcc from a private directory; made by referral's test/toolchain
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

// fixLinkerScripts corrects the .so files that are texts naming other files by
// absolute path: the static parts among these lie in the private directory.
func fixLinkerScripts(dir, final string) error {
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
			return fmt.Errorf("fix linker script: %w", err)
		}
	}
	return nil
}
