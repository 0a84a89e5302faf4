// Package smpp carries invitations as SMS by SMPP 3.4. It is no library for all
// of SMPP: it binds as a transceiver, submits messages, keeps the connection
// alive, and reads delivery receipts.
//
// A message that is longer than one SMS goes out in parts, one after the other. A
// part that is not accepted ends the message; the parts before it are not sent
// again, and so neither is the message: a telephone shows no message of which
// parts are missing, and would show one with doubled parts.
package smpp
