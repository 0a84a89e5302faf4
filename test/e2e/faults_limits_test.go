package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"referral/internal/demo/postgres"
	"referral/test/toolchain"
)

// limitFaults are limits of the database that the programs come upon in every stage.
func limitFaults() []fault {
	return []fault{
		{name: "no connection is left", limitedRole: true, breakOnce: (*faultyRun).takeConnections, heal: (*faultyRun).giveConnections},
		{
			name: "statements time out", limitedRole: true, settings: []string{"REFERRAL_DATABASE_STATEMENT_TIMEOUT=1s"},
			breakOnce: func(p *faultyRun) { p.meets("57014") }, // while tables are locked
		},
	}
}

// ownRole makes a role for the programs of the world that serve. Its own timeout is too
// short for anything: the programs set theirs.
func (w *world) ownRole() string {
	w.t.Helper()
	role := "r_" + w.name
	w.asAdmin("CREATE ROLE "+role+" LOGIN PASSWORD '"+role+"'", "ALTER ROLE "+role+" SET statement_timeout = '1ms'")
	w.t.Cleanup(func() {
		if _, err := w.db.Exec(context.Background(), "DROP OWNED BY "+role); err != nil {
			w.t.Error(err)
		}
		w.asAdmin("DROP ROLE " + role)
	})
	w.variables = append(w.variables, "REFERRAL_DATABASE_ROLE="+role)
	return role
}

// asRole is a connection string with another role, whose password is its name.
func asRole(t *testing.T, dsn, role string) string {
	t.Helper()
	at, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	at.User = url.UserPassword(role, role)
	return at.String()
}

func (p *faultyRun) takeConnections() {
	p.w.asAdmin("ALTER ROLE "+p.role+" CONNECTION LIMIT 0", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '"+p.role+"'")
}

func (p *faultyRun) giveConnections() {
	p.meets("53300")
	p.w.asAdmin("ALTER ROLE " + p.role + " CONNECTION LIMIT -1")
}

// meets waits until the program that works has counted and logged a limit of the
// database.
func (p *faultyRun) meets(sqlState string) {
	p.w.t.Helper()
	p.w.until("SQLSTATE "+sqlState, func() (bool, string) {
		n := p.metric(p.serving, `referral_database_limit_errors_total{sqlstate="`+sqlState+`"}`)
		return n > 0 && strings.Contains(p.serving.log.all(), "SQLSTATE "+sqlState), fmt.Sprintf("counted %v times", n)
	})
}

// onSmallDisk is the same broker with a database on a disk that can be filled.
func (b *faultServers) onSmallDisk(t *testing.T) *faultServers {
	t.Helper()
	disk, env := newSmallDisk(t)
	settings := map[string]string{"fsync": "off", "full_page_writes": "off", "default_tablespace": "small"}
	database, err := postgres.Start(t.Context(), postgres.Options{Settings: settings, Env: env})
	if err != nil {
		t.Fatal(err)
	}
	closing(t, database.Stop)
	small := &faultServers{broker: b.broker, via: b.via, database: database, disk: disk}
	(&world{t: t, servers: small.servers()}).asAdmin("CREATE TABLESPACE small LOCATION '" + disk.data + "'")
	return small
}

// smallDisk is a file system for the tables of a database.
type smallDisk struct {
	data, filler string // a folder, and a file that takes the rest of the space
	fill         func() error
}

const smallDiskSize = 96 << 20

// newSmallDisk mounts a file system of its own. Where that is not allowed, the server
// is told by a library that its disk is full, while there is a filler.
func newSmallDisk(t *testing.T) (disk *smallDisk, env []string) {
	t.Helper()
	root, err := os.MkdirTemp("", "referral-disk-") // a server that is not root must get there
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(root); err != nil {
			t.Error(err)
		}
	})
	disk = &smallDisk{data: filepath.Join(root, "data"), filler: filepath.Join(root, "filler")}
	disk.fill = disk.fillUp
	switch err := syscall.Mount("tmpfs", root, "tmpfs", 0, fmt.Sprintf("size=%d", smallDiskSize)); {
	case err == nil:
		t.Cleanup(func() {
			if err := syscall.Unmount(root, syscall.MNT_DETACH); err != nil {
				t.Error(err)
			}
		})
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES):
		t.Logf("no file system may be mounted (%v): a library says that the disk is full", err)
		env = []string{"LD_PRELOAD=" + fullDiskLibrary(t, root), "FULL_DISK=" + disk.data, "FULL_DISK_WHILE=" + disk.filler}
		disk.fill = func() error { return os.WriteFile(disk.filler, nil, 0o600) }
	default:
		t.Fatalf("mounting a file system at %s: %v", root, err)
	}
	if err := errors.Join(os.Chmod(root, 0o755), os.Mkdir(disk.data, 0o700)); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		const nobody = 65534 // the server's user
		if err := os.Chown(disk.data, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	return disk, env
}

// fillUp writes until nothing more can be written.
func (d *smallDisk) fillUp() (err error) {
	file, err := os.Create(d.filler)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	block := make([]byte, 4096)
	for {
		if _, err := file.Write(block); errors.Is(err, syscall.ENOSPC) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func (p *faultyRun) fillDisk() {
	p.w.t.Helper()
	if err := p.b.disk.fill(); err != nil {
		p.w.t.Fatal(err)
	}
}

// freeDisk waits until a program has come upon the full disk. The mark of what is
// published fits in where its row is.
func (p *faultyRun) freeDisk() {
	p.w.t.Helper()
	if !p.publishing {
		p.meets("53100")
	}
	if err := os.Remove(p.b.disk.filler); err != nil {
		p.w.t.Fatal(err)
	}
}

// fullDiskLibrary makes a library that has writes behind the end of files in a folder
// fail while another file is there.
func fullDiskLibrary(t *testing.T, folder string) string {
	t.Helper()
	tool, err := toolchain.CCompiler(t.Context(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	library := filepath.Join(folder, "full.so")
	cmd := tool.Command(t.Context(), tool.Program, "-shared", "-fPIC", "-o", library, "-x", "c", "-", "-ldl")
	cmd.Stdin = strings.NewReader(fullDiskSource)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("compiling: %v\n%s", err, out)
	}
	return library
}

const fullDiskSource = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static int full(int fd, off_t end) {
	char link[64], name[PATH_MAX];
	struct stat file;
	const char *disk = getenv("FULL_DISK");
	if (access(getenv("FULL_DISK_WHILE"), F_OK) != 0) return 0;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t length = readlink(link, name, sizeof name - 1);
	if (length < 0 || strncmp(name, disk, strlen(disk)) != 0 || fstat(fd, &file) != 0 || end <= file.st_size) return 0;
	errno = ENOSPC;
	return 1;
}

#define NEXT(type, name) ((type)dlsym(RTLD_NEXT, name))

ssize_t pwrite(int fd, const void *b, size_t n, off_t at) {
	return full(fd, at + n) ? -1 : NEXT(ssize_t (*)(int, const void *, size_t, off_t), "pwrite")(fd, b, n, at);
}
ssize_t pwrite64(int fd, const void *b, size_t n, off_t at) { return pwrite(fd, b, n, at); }
ssize_t pwritev(int fd, const struct iovec *v, int n, off_t at) {
	return full(fd, at + 1) ? -1 : NEXT(ssize_t (*)(int, const struct iovec *, int, off_t), "pwritev")(fd, v, n, at);
}
ssize_t pwritev64(int fd, const struct iovec *v, int n, off_t at) { return pwritev(fd, v, n, at); }
int posix_fallocate(int fd, off_t at, off_t n) {
	return full(fd, at + n) ? ENOSPC : NEXT(int (*)(int, off_t, off_t), "posix_fallocate")(fd, at, n);
}
int posix_fallocate64(int fd, off_t at, off_t n) { return posix_fallocate(fd, at, n); }
`
