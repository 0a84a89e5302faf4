package toolcache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"referral/internal/subprocess"
)

// CacheVariable names another directory for what is fetched.
const CacheVariable = "REFERRAL_CACHE"

// CacheDir is where fetched things are kept. Root's is outside of root's home,
// because servers that root starts run as another user and must reach it.
func CacheDir() (string, error) {
	dir := os.Getenv(CacheVariable)
	switch {
	case dir != "":
	case os.Geteuid() == 0:
		dir = "/var/cache/referral"
	default:
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("find a cache directory: %w; set HOME or %s", err, CacheVariable)
		}
		dir = filepath.Join(user, "referral")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find a cache directory: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make the cache directory: %w; %s names another one", err, CacheVariable)
	}
	return dir, nil
}

// Once makes the directory name in the cache by calling make with a temporary
// one, which gets its name only when it is complete. Processes that ask at the
// same time wait for the one that came first.
func Once(ctx context.Context, name string, log io.Writer, make func(tmp, final string) error) (dir string, err error) {
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	final := filepath.Join(cache, name)
	if _, err := os.Stat(final); err == nil {
		return final, nil
	}
	if err := os.MkdirAll(filepath.Dir(final), 0o755); err != nil {
		return "", fmt.Errorf("make the cache directory: %w", err)
	}
	lock, err := subprocess.WaitLock(ctx, final+".lock", func() {
		say(log, "waiting for another process that is fetching the same into %s", final)
	})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	if _, err := os.Stat(final); err == nil {
		return final, nil
	}
	return final, fill(final, make)
}

func fill(final string, make func(tmp, final string) error) (err error) {
	tmp := final + ".new"
	if err := os.RemoveAll(tmp); err != nil {
		return fmt.Errorf("remove an unfinished download: %w", err)
	}
	if err := os.MkdirAll(tmp, 0o755); err != nil {
		return fmt.Errorf("make a download directory: %w", err)
	}
	if err := make(tmp, final); err != nil {
		return errors.Join(err, os.RemoveAll(tmp))
	}
	if err := os.Rename(tmp, final); err != nil {
		return fmt.Errorf("put a download in place: %w", err)
	}
	return nil
}

// release names the system: the same home may be used from several, and
// programs of one may not run on another.
func release() (string, error) {
	text, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return "", fmt.Errorf("read which system this is: %w", err)
	}
	fields := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			fields[key] = strings.Trim(value, `"'`)
		}
	}
	return fmt.Sprintf("%s-%s-%s", fields["ID"], fields["VERSION_ID"], runtime.GOARCH), nil
}

// cached finds the tool in the cache, or downloads it to there.
func (s Spec) cached(ctx context.Context, log io.Writer) (Tool, error) {
	system, err := release()
	if err != nil {
		return Tool{}, err
	}
	dir, err := Once(ctx, filepath.Join(system, s.Dir), log, func(tmp, final string) error {
		say(log, "downloading %s (once, %s) to %s", s.Name, s.Size, final)
		return s.fetch(ctx, tmp, final, log)
	})
	if err != nil {
		return Tool{}, err
	}
	tool, err := firstUsable(ctx, s.Private(dir), s.Check)
	if err != nil {
		return Tool{}, fmt.Errorf("%w; if the system was changed since, delete %s and try again", err, dir)
	}
	return tool, nil
}

func (s Spec) fetch(ctx context.Context, tmp, final string, log io.Writer) error {
	if err := s.download(ctx, tmp, log); err != nil {
		return err
	}
	if err := fixLinks(tmp, "/"); err != nil {
		return fmt.Errorf("fix the links of what was unpacked: %w", err)
	}
	tools := s.Private(tmp)
	if len(tools) == 0 {
		return errNoneFound
	}
	if s.Finish == nil {
		return nil
	}
	return s.Finish(tmp, final, tools[0])
}

func (s Spec) download(ctx context.Context, tmp string, log io.Writer) error {
	err := s.fetchByApt(ctx, tmp, log)
	if err == nil || s.npm == "" {
		return err
	}
	say(log, "apt-get could not get %s; trying npm", s.Name)
	if npmErr := fetchByNpm(ctx, s.npm, tmp); npmErr != nil {
		return errors.Join(err, npmErr)
	}
	return nil
}

func say(log io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintf(log, format+"\n", args...) // progress is a courtesy
}
