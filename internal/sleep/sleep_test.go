package sleep

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if !For(t.Context(), time.Hour) || time.Since(began) != time.Hour {
			t.Errorf("an hour took %s", time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began = time.Now()
		if For(ctx, time.Hour) || time.Since(began) != time.Minute {
			t.Errorf("an hour that was called off after a minute took %s", time.Since(began))
		}
	})
}

func TestBackoffDoublesUpToTheLongest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		waits, began := Backoff(time.Second, 5*time.Second), time.Now()
		for _, want := range []time.Duration{1, 3, 7, 12, 17} {
			if !Next(t.Context(), waits) || time.Since(began) != want*time.Second {
				t.Errorf("waited %s, want %d s", time.Since(began), want)
			}
		}
	})
}

func TestOutlast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		longer, end := Outlast(ctx, time.Second)
		defer end()
		<-longer.Done()
		if time.Since(began) != time.Minute+time.Second {
			t.Errorf("it was done after %s", time.Since(began))
		}
		ended, end := Outlast(t.Context(), time.Hour)
		end()
		if ended.Err() == nil {
			t.Error("it goes on after its end")
		}
	})
}
