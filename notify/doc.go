// Package notify sends invitations. The table of invitations is its queue: it
// claims what is due, writes the message, hands it to the channel's transport and
// notes what became of it. Any number of replicas may do so at once.
//
// A message goes out at most once per invitation, unless the transport said that it
// did not take it. A claim is therefore committed before anything goes over the
// network, and what is left of a sender that died is not sent again. The exception
// is a transport whose peers drop a message that they have seen ([Transport.Repeatable]).
package notify
