// Package deploy has no code of its own. Its folders hold what installs the service. Its
// tests build each part as a release has it, and check it with its own tool.
package deploy
