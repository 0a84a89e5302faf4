package kafkaserver_test

import (
	"bytes"
	"context"
	"errors"
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

func end(t *testing.T, b *kafkaserver.Broker, topic string) (offset int64) {
	t.Helper()
	eventually(t, "the partition has a leader", func() bool {
		response, err := client(b).ListOffsets(t.Context(), &kafkago.ListOffsetsRequest{
			Topics: map[string][]kafkago.OffsetRequest{topic: {kafkago.LastOffsetOf(0)}},
		})
		must(t, err)
		partition := response.Topics[topic][0]
		if errors.Is(partition.Error, kafkago.NotLeaderForPartition) {
			return false
		}
		must(t, partition.Error)
		offset = partition.LastOffset
		return true
	})
	return offset
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
	t.Run("data survive an orderly restart and a kill", func(t *testing.T) {
		before := end(t, b, "events")
		addr := b.Addr()
		must(t, b.Restart(t.Context()))
		must(t, b.Kill())
		must(t, b.Restart(t.Context()))
		if b.Addr() != addr {
			t.Errorf("the address changed from %s to %s", addr, b.Addr())
		}
		if after := end(t, b, "events"); after != before {
			t.Errorf("the topic ended at %d and ends at %d now", before, after)
		}
	})
	must(t, b.Stop())
	if left, err := filepath.Glob(filepath.Join(os.TempDir(), "referral-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// Measurements are made on a broker with other settings of the JVM.
func TestThroughputBrokerAnswers(t *testing.T) {
	b := start(t, kafkaserver.Options{Throughput: true})
	createTopic(t, b, "events")
	must(t, produce(t.Context(), b, "events", []byte("x")))
	must(t, b.Stop())
}

const readyFile = "REFERRAL_TEST_READY_FILE"

// TestStarterProcess is the process that TestBrokerDiesWithItsStarter kills.
func TestStarterProcess(t *testing.T) {
	file := os.Getenv(readyFile)
	if file == "" {
		return
	}
	b := start(t, kafkaserver.Options{})
	must(t, os.WriteFile(file, []byte(b.Addr()), 0o600))
	time.Sleep(time.Minute)
}

func TestBrokerDiesWithItsStarter(t *testing.T) {
	dir := t.TempDir()
	ready := filepath.Join(dir, "ready")
	starter := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestStarterProcess$", "-test.v")
	starter.Env = append(os.Environ(), readyFile+"="+ready, "TMPDIR="+dir)
	starter.Stdout, starter.Stderr = t.Output(), t.Output()
	starter.WaitDelay = time.Second
	must(t, starter.Start())
	eventually(t, "the starter's broker starts", func() bool {
		_, err := os.Stat(ready)
		return err == nil
	})
	must(t, starter.Process.Signal(syscall.SIGKILL))
	_ = starter.Wait()
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
