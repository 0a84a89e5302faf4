package kafkaserver_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"referral/test/kafkaserver"
)

func start(t *testing.T, o kafkaserver.Options) *kafkaserver.Broker {
	t.Helper()
	o.Log = t.Output()
	began := time.Now()
	b, err := kafkaserver.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("started in %s", time.Since(began))
	return b
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// client remembers nothing of an earlier life of the broker, as the library's
// common transport would.
func client(b *kafkaserver.Broker) *kafkago.Client {
	return &kafkago.Client{Addr: kafkago.TCP(b.Addr()), Transport: &kafkago.Transport{IdleTimeout: time.Second}}
}

func createTopic(t *testing.T, b *kafkaserver.Broker, topic string) {
	t.Helper()
	response, err := client(b).CreateTopics(t.Context(), &kafkago.CreateTopicsRequest{
		Topics: []kafkago.TopicConfig{{Topic: topic, NumPartitions: 1, ReplicationFactor: 1}},
	})
	must(t, err)
	must(t, response.Errors[topic])
}

func produce(ctx context.Context, b *kafkaserver.Broker, topic string, values ...[]byte) error {
	var records []kafkago.Record
	for _, value := range values {
		records = append(records, kafkago.Record{Value: kafkago.NewBytes(value)})
	}
	response, err := client(b).Produce(ctx, &kafkago.ProduceRequest{
		Topic: topic, RequiredAcks: kafkago.RequireAll, Records: kafkago.NewRecordReader(records...),
	})
	if err != nil {
		return err
	}
	return response.Error
}

func end(t *testing.T, b *kafkaserver.Broker, topic string) int64 {
	t.Helper()
	response, err := client(b).ListOffsets(t.Context(), &kafkago.ListOffsetsRequest{
		Topics: map[string][]kafkago.OffsetRequest{topic: {kafkago.LastOffsetOf(0)}},
	})
	must(t, err)
	must(t, response.Topics[topic][0].Error)
	return response.Topics[topic][0].LastOffset
}

func TestBroker(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	b := start(t, kafkaserver.Options{})

	t.Run("topics are not made by writing to them", func(t *testing.T) {
		if err := produce(t.Context(), b, "misspelt", []byte("x")); err == nil {
			t.Error("a message to an unknown topic was accepted")
		}
	})
	createTopic(t, b, "events")

	t.Run("large messages pass", func(t *testing.T) {
		must(t, produce(t.Context(), b, "events", bytes.Repeat([]byte("x"), 20<<20)))
	})
	t.Run("a wrong password is refused", func(t *testing.T) {
		if b.User() == "" || b.Password() == "" {
			t.Fatal("no user")
		}
		if err := b.Authenticate(t.Context(), "wrong"); err == nil {
			t.Error("a wrong password was accepted")
		}
		must(t, b.Authenticate(t.Context(), b.Password()))
	})
	t.Run("a paused broker is silent and comes back", func(t *testing.T) {
		must(t, b.Pause())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := produce(ctx, b, "events", []byte("y")); err == nil {
			t.Error("a paused broker answered")
		}
		must(t, b.Resume())
		must(t, produce(t.Context(), b, "events", []byte("z")))
	})
	t.Run("data survive an orderly restart and a kill", func(t *testing.T) {
		before := end(t, b, "events")
		addr := b.Addr()
		must(t, b.Restart(t.Context()))
		must(t, b.Kill())
		began := time.Now()
		must(t, b.Restart(t.Context()))
		t.Logf("restarted in %s", time.Since(began))
		if b.Addr() != addr {
			t.Errorf("the address changed from %s to %s", addr, b.Addr())
		}
		if after := end(t, b, "events"); after != before {
			t.Errorf("the topic ended at %d and ends at %d now", before, after)
		}
	})
	must(t, b.Pause()) // stopping a paused broker must not hang
	must(t, b.Stop())
	if left, err := filepath.Glob(filepath.Join(os.TempDir(), "*kafka*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestDirectoryIsFoundAgainOnOtherPorts(t *testing.T) {
	dir := t.TempDir()
	b := start(t, kafkaserver.Options{Dir: dir})
	createTopic(t, b, "events")
	must(t, produce(t.Context(), b, "events", []byte("x")))
	must(t, b.Stop())

	b = start(t, kafkaserver.Options{Dir: dir, Throughput: true})
	if got := end(t, b, "events"); got != 1 {
		t.Errorf("the topic ends at %d", got)
	}
	must(t, b.Stop())
}

const helperDir = "REFERRAL_TEST_HELPER_DIR"

// TestHelperBroker is the process that TestBrokerDiesWithItsStarter kills.
func TestHelperBroker(t *testing.T) {
	dir := os.Getenv(helperDir)
	if dir == "" {
		return
	}
	b := start(t, kafkaserver.Options{Dir: filepath.Join(dir, "broker")})
	must(t, os.WriteFile(filepath.Join(dir, "ready"), []byte(b.Addr()), 0o600))
	time.Sleep(time.Minute)
}

func TestBrokerDiesWithItsStarter(t *testing.T) {
	dir := t.TempDir()
	helper := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHelperBroker$", "-test.v")
	helper.Env = append(os.Environ(), helperDir+"="+dir)
	helper.Stdout, helper.Stderr = t.Output(), t.Output()
	helper.WaitDelay = time.Second
	must(t, helper.Start())
	eventually(t, "the helper's broker starts", func() bool {
		_, err := os.Stat(filepath.Join(dir, "ready"))
		return err == nil
	})
	must(t, helper.Process.Signal(syscall.SIGKILL))
	_ = helper.Wait()
	eventually(t, "the broker ends by itself", func() bool { return !runs(t, dir) })
}

// runs says whether a process with dir in its arguments is alive.
func runs(t *testing.T, dir string) bool {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	must(t, err)
	for _, file := range files {
		line, err := os.ReadFile(file)
		if err == nil && strings.Contains(string(line), dir) && filepath.Base(filepath.Dir(file)) != strconv.Itoa(os.Getpid()) {
			return true
		}
	}
	return false
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 300 {
		if ok() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("waited in vain until %s", what)
}
