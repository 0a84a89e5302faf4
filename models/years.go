package models

// FirstYear and LastYear bound the dates that are taken, of facts and of periods
// alike. A real one lies far within; one beyond stands for "never" or for a
// mistake, and would be calculated with all the same. What the terms add to a date,
// a hundred years at most, can still be written in the four digits of a year.
const (
	FirstYear = 1900
	LastYear  = 2999
)

// YearTaken tells whether dates of a year are taken.
func YearTaken(year int) bool { return year >= FirstYear && year <= LastYear }
