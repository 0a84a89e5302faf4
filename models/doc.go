// Package models is the vocabulary of the referral programme: plain values
// without behaviour that needs a clock, a database or a broker. It imports the
// standard library only, so that every other package can speak in its words.
package models
