package models

// DemoAccounts is accounts worth showing in the demo; 0 where there is none.
type DemoAccounts struct {
	Highest  int64 // highest step of the ladder today
	Climber  int64 // on the first step
	Packaged int64 // has earned a package of SMS
	Promised int64 // its discount as a new client waits for the end of the promo period
	Newcomer int64 // may still enter a code, and has entered none
}
