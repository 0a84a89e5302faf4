// Package smpp sends invitations as SMS by SMPP 3.4. It implements only a part of SMPP:
// it binds as a transceiver, submits messages, keeps the connection alive, and reads
// delivery receipts.
//
// A message longer than one SMS is sent in parts, one after the other. A part that is
// refused fails the message. Its earlier parts are never sent again: a telephone does
// not show a message with missing parts, but would show one with repeated parts.
package smpp
