package main

import (
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // a server without zone files must reckon the same days

	"github.com/robfig/cron/v3"
)

// ScheduleConfig is when the work of a month is done: cron lines of five
// fields, in a time zone; and how long billing may take to answer.
type ScheduleConfig struct {
	Run         string        `yaml:"run"`
	CatchUp     string        `yaml:"catch_up"`
	AnswerGrace time.Duration `yaml:"answer_grace"`
	Timezone    string        `yaml:"timezone"`
}

func (s *ScheduleConfig) validate(found *findings) {
	if err := checkCron(s.Run); err != nil {
		found.add("schedule.run", "%v", err)
	}
	if err := checkCron(s.CatchUp); err != nil {
		found.add("schedule.catch_up", "%v", err)
	}
	found.lasts("schedule.answer_grace", s.AnswerGrace, 0, 7*24*time.Hour)
	if _, err := loadZone(s.Timezone); err != nil {
		found.add("schedule.timezone", "%v", err)
	}
}

// Zone is the time zone that the cron lines are meant in.
func (s *ScheduleConfig) Zone() (*time.Location, error) { return loadZone(s.Timezone) }

func checkCron(line string) error {
	// A zone in the line would contradict schedule.timezone, and one without
	// anything after it makes the parser panic.
	if strings.Contains(line, "TZ=") {
		return fmt.Errorf("%q: the zone belongs in schedule.timezone", line)
	}
	if _, err := cron.ParseStandard(line); err != nil {
		return fmt.Errorf("%q is no cron line (%w); write minute hour day month weekday, for example \"0 3 1 * *\"", line, err)
	}
	return nil
}

// loadZone refuses what time.LoadLocation takes without a word: no name (UTC)
// and "Local" (whatever this machine is set to).
func loadZone(name string) (*time.Location, error) {
	if name == "" || name == "Local" {
		return nil, errors.New("a time zone must be named, for example Europe/Moscow")
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("%q is no known time zone; write for example Europe/Moscow", name)
	}
	return zone, nil
}
