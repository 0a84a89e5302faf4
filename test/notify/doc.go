// Package notify holds the tests of the sender of invitations on a real PostgreSQL:
// its loop and the storage at once, where neither of the two could test it alone.
package notify
