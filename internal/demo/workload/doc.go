// Package workload makes up a life: clients who register, invite one another,
// are billed and leave, told as the messages that the real systems would
// send, with everything that goes wrong on the way. The same seed tells the
// same life, byte for byte. Nothing is kept between messages, so that a million
// accounts need no more memory than a hundred.
package workload
