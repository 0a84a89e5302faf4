package config

import (
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // a server without zone files must calculate the same days

	"github.com/robfig/cron/v3"

	"referral/scheduler"
)

// Schedule is when the work of a month is done: cron lines of five
// fields, in a time zone; and how long billing may take to answer.
type Schedule struct {
	Run         string        `yaml:"run"`
	CatchUp     string        `yaml:"catch_up"`
	AnswerGrace time.Duration `yaml:"answer_grace"`
	Timezone    string        `yaml:"timezone"`
}

func (s *Schedule) validate(found *findings) {
	zone, err := loadZone(s.Timezone)
	if err != nil {
		found.add("schedule.timezone", "%v", err)
		zone = time.UTC
	}
	if _, err := parseSchedule(s.Run, zone); err != nil {
		found.add("schedule.run", "%v", err)
	}
	if _, err := parseSchedule(s.CatchUp, zone); err != nil {
		found.add("schedule.catch_up", "%v", err)
	}
	found.lasts("schedule.answer_grace", s.AnswerGrace, 0, 7*24*time.Hour)
}

// Schedules are the two cron lines, in the zone that they are meant in.
func (s *Schedule) Schedules() (run, catchUp cron.Schedule, err error) {
	if run, err = s.parse("schedule.run", s.Run); err != nil {
		return nil, nil, err
	}
	catchUp, err = s.parse("schedule.catch_up", s.CatchUp)
	return run, catchUp, err
}

// parse reads the cron line of a setting; an [*Error].
func (s *Schedule) parse(path, line string) (cron.Schedule, error) {
	zone, err := loadZone(s.Timezone)
	if err != nil {
		return nil, newError("schedule.timezone", err)
	}
	parsed, err := parseSchedule(line, zone)
	return parsed, newError(path, err)
}

func parseSchedule(line string, zone *time.Location) (cron.Schedule, error) {
	// A zone in the line would contradict schedule.timezone, and the parser panics on one
	// with nothing after it.
	if strings.Contains(line, "TZ=") {
		return nil, fmt.Errorf("%q: the zone belongs in schedule.timezone", line)
	}
	return scheduler.ParseSchedule(line, zone)
}

// loadZone refuses what time.LoadLocation accepts: an empty name (UTC) and "Local" (the
// zone of this machine).
func loadZone(name string) (*time.Location, error) {
	if name == "" || name == "Local" {
		return nil, errors.New("a time zone must be named, for example Europe/Moscow")
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("%q is not a known time zone; write for example Europe/Moscow", name)
	}
	return zone, nil
}
