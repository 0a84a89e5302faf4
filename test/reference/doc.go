// Package reference calculates, day by day, what the programme owes. Tests compare
// it with the program, so it shares no code with that: it has its own calendar, its
// own reading of messages and its own ladder, all written from docs/programme.md. It
// is simple and slow.
package reference
