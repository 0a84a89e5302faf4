// Package notify sends invitations. The table of invitations is its queue: it claims
// what is due, writes the message, passes it to the channel's transport and records the
// outcome. Any number of replicas may do so at the same time.
//
// A message is sent at most once per invitation, unless the transport has said that it
// did not accept it. A claim is therefore committed before anything is sent, and the
// claims of a sender that died are not sent again. The exception is a transport whose
// receivers drop duplicates ([Transport.Repeatable]).
package notify
