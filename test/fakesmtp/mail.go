package fakesmtp

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
)

// Mail is a mail as its reader sees it, and as it came.
type Mail struct {
	From string   // of the envelope
	To   []string // of the envelope
	// Header is as it came; Subject is decoded.
	Header  mail.Header
	Subject string
	// Text and HTML are the bodies of these types, decoded; empty when there is none.
	Text, HTML string
	Raw        []byte
}

func read(m Mail, raw []byte) (Mail, error) {
	message, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return Mail{}, fmt.Errorf("read a mail: %w", err)
	}
	m.Raw, m.Header = raw, message.Header
	words := mime.WordDecoder{}
	if m.Subject, err = words.DecodeHeader(message.Header.Get("Subject")); err != nil {
		return Mail{}, fmt.Errorf("read a mail's subject: %w", err)
	}
	return m, m.readBody(message.Header.Get, message.Body)
}

// readBody reads a body, or the bodies in it.
func (m *Mail) readBody(header func(string) string, body io.Reader) error {
	kind, parameters, err := mime.ParseMediaType(header("Content-Type"))
	if err != nil {
		return fmt.Errorf("read a mail's type: %w", err)
	}
	if strings.HasPrefix(kind, "multipart/") {
		return m.readParts(multipart.NewReader(body, parameters["boundary"]))
	}
	text, err := io.ReadAll(decoded(header("Content-Transfer-Encoding"), body))
	if err != nil {
		return fmt.Errorf("read a mail's body: %w", err)
	}
	if charset := strings.ToLower(parameters["charset"]); charset != "utf-8" && charset != "us-ascii" {
		return fmt.Errorf("read a mail's body: charset %q", charset)
	}
	switch kind {
	case "text/plain":
		m.Text += string(text)
	case "text/html":
		m.HTML += string(text)
	default:
		return fmt.Errorf("read a mail's body: type %q", kind)
	}
	return nil
}

func (m *Mail) readParts(reader *multipart.Reader) error {
	for {
		part, err := reader.NextRawPart()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read a mail's parts: %w", err)
		}
		if err := m.readBody(part.Header.Get, part); err != nil {
			return err
		}
	}
}

func decoded(encoding string, body io.Reader) io.Reader {
	switch strings.ToLower(encoding) {
	case "quoted-printable":
		return quotedprintable.NewReader(body)
	case "base64":
		return base64.NewDecoder(base64.StdEncoding, body)
	}
	return body
}
