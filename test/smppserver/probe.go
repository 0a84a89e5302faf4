package smppserver

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

const probePatience = 5 * time.Second

// probe says whether the server lets its user in. It goes through a whole
// session, greeting included, for the server minds when one breaks off.
func (p *Server) probe(ctx context.Context) (err error) {
	conn, err := p.dial(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if err := conn.SetDeadline(time.Now().Add(probePatience)); err != nil {
		return err
	}
	// Section 4.1.5: system_id, password, system_type, version 3.4, TON, NPI, address_range.
	body := fmt.Appendf(nil, "%s\x00%s\x00\x00\x34\x00\x00\x00", p.SystemID(), p.Password())
	if _, err := exchange(conn, pdu(BindTransceiver, 1, body), BindTransceiver|response); err != nil {
		return err
	}
	greeting, err := exchange(conn, nil, DeliverSM)
	if err != nil {
		return err
	}
	answer := pdu(DeliverSM|response, binary.BigEndian.Uint32(greeting[12:]), []byte{0})
	_, err = exchange(conn, append(answer, pdu(Unbind, 2, nil)...), Unbind|response)
	return err
}

func (p *Server) dial(ctx context.Context) (net.Conn, error) {
	plain := &net.Dialer{Timeout: probePatience}
	if !p.tls {
		return plain.DialContext(ctx, "tcp", p.Addr())
	}
	text, err := os.ReadFile(p.Certificate())
	if err != nil {
		return nil, err
	}
	known := x509.NewCertPool()
	known.AppendCertsFromPEM(text)
	return (&tls.Dialer{NetDialer: plain, Config: &tls.Config{RootCAs: known}}).DialContext(ctx, "tcp", p.Addr())
}

// exchange sends a request and returns the server's next message, which is to be
// the wanted command.
func exchange(conn net.Conn, request []byte, wanted uint32) ([]byte, error) {
	if _, err := conn.Write(request); err != nil {
		return nil, err
	}
	answer, err := readPDU(conn)
	if err != nil {
		return nil, err
	}
	command, status := binary.BigEndian.Uint32(answer[4:]), binary.BigEndian.Uint32(answer[8:])
	if command != wanted || status != 0 {
		return nil, fmt.Errorf("the server says %#x with status %#x, and not %#x", command, status, wanted)
	}
	return answer, nil
}

// pdu puts section 3.2's header before a body.
func pdu(command, sequence uint32, body []byte) []byte {
	out := binary.BigEndian.AppendUint32(nil, uint32(headerSize+len(body)))
	out = binary.BigEndian.AppendUint32(out, command)
	out = binary.BigEndian.AppendUint32(out, 0)
	out = binary.BigEndian.AppendUint32(out, sequence)
	return append(out, body...)
}
