// Package toolchain finds or downloads what only the tests need: Java and what
// Maven's registry holds, a browser, an accessibility checker, a C compiler and
// PgBouncer.
package toolchain

import (
	"bytes"
	"context"
	"crypto/sha1" // the key store format prescribes it; the certificates in it are public
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"unicode/utf16"

	"referral/internal/toolcache"
)

// Java finds a Java runtime, version 17 or later.
func Java(ctx context.Context, log io.Writer) (toolcache.Tool, error) {
	return toolcache.Spec{
		Name: "a Java runtime", Dir: "java", Size: "about 45 MB",
		Packages: [][]string{{"openjdk-21-jre-headless", "openjdk-17-jre-headless", "openjdk-25-jre-headless"}},
		Without:  regexp.MustCompile(`^(ca-certificates-java|java-common)$`),
		System: func() []toolcache.Tool {
			tools := toolcache.OnPath("java")
			if home := os.Getenv("JAVA_HOME"); home != "" {
				tools = slices.Insert(tools, 0, toolcache.Tool{BinDir: filepath.Join(home, "bin")})
			}
			return append(tools, javaIn("/")...)
		},
		Private: javaIn,
		Finish:  finishJava,
		Check:   checkJava,
		Remedy:  "install Java 17 or later yourself (apt-get install default-jre-headless), or set JAVA_HOME",
	}.Get(ctx, log)
}

func javaIn(prefix string) []toolcache.Tool { return toolcache.BinDirs(prefix, "usr/lib/jvm/*/bin") }

const oldestJava = 17

func checkJava(ctx context.Context, t toolcache.Tool) error {
	return toolcache.AtLeast(oldestJava, t.Command(ctx, "java", "-version"))
}

// finishJava does what the package would do when installed: it gives Java the
// certificates that the system trusts, without which Maven reaches no registry.
func finishJava(prefix, _ string, java toolcache.Tool) error {
	bundle, err := systemCertificates()
	if err != nil {
		return err
	}
	file := filepath.Join(prefix, "etc/ssl/certs/java/cacerts")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("make Java's key store: %w", err)
	}
	if err := os.WriteFile(file, keyStore(bundle), 0o644); err != nil {
		return fmt.Errorf("make Java's key store: %w", err)
	}
	// The package's link to it pointed nowhere until now, or to the system's.
	link := filepath.Join(filepath.Dir(java.BinDir), "lib/security/cacerts")
	if err := os.RemoveAll(link); err != nil {
		return fmt.Errorf("give Java its key store: %w", err)
	}
	target, err := filepath.Rel(filepath.Dir(link), file)
	if err != nil {
		return fmt.Errorf("give Java its key store: %w", err)
	}
	if err := os.Symlink(target, link); err != nil {
		return fmt.Errorf("give Java its key store: %w", err)
	}
	return nil
}

func systemCertificates() ([]byte, error) {
	for _, file := range []string{os.Getenv("SSL_CERT_FILE"), "/etc/ssl/certs/ca-certificates.crt"} {
		if text, err := os.ReadFile(file); err == nil {
			return text, nil
		}
	}
	return nil, fmt.Errorf("this system has no list of trusted certificates: install ca-certificates, or set SSL_CERT_FILE")
}

// keyStore writes certificates as a Java key store of the old, simple format,
// which every Java reads and which holds nothing secret here.
func keyStore(bundle []byte) []byte {
	const (
		magic, version     = 0xFEEDFEED, 2
		trustedCertificate = 2
		password           = "changeit" // Java's own default for certificates that are public anyway
	)
	var certificates [][]byte
	for block, rest := pem.Decode(bundle); block != nil; block, rest = pem.Decode(rest) {
		certificates = append(certificates, block.Bytes)
	}
	var out []byte
	text := func(s string) {
		out = binary.BigEndian.AppendUint16(out, uint16(len(s)))
		out = append(out, s...)
	}
	out = binary.BigEndian.AppendUint32(out, magic)
	out = binary.BigEndian.AppendUint32(out, version)
	out = binary.BigEndian.AppendUint32(out, uint32(len(certificates)))
	for i, certificate := range certificates {
		out = binary.BigEndian.AppendUint32(out, trustedCertificate)
		text(fmt.Sprintf("certificate-%d", i))
		out = binary.BigEndian.AppendUint64(out, 0) // when it was added
		text("X.509")
		out = binary.BigEndian.AppendUint32(out, uint32(len(certificate)))
		out = append(out, certificate...)
	}
	var sealed bytes.Buffer
	for _, unit := range utf16.Encode([]rune(password)) {
		_ = binary.Write(&sealed, binary.BigEndian, unit)
	}
	sealed.WriteString("Mighty Aphrodite") // part of the format
	sealed.Write(out)
	sum := sha1.Sum(sealed.Bytes())
	return append(out, sum[:]...)
}
