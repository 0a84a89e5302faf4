// Package reference works out, day by day and without any shortcut, what the
// programme owes. It exists to be compared with the product and so shares no
// code with it: it has its own calendar, its own reading of messages and its
// own idea of the ladder, all written from docs/programme.md. It is slow on purpose.
package reference
