package kafkaserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"referral/internal/toolcache"
	"referral/test/toolchain"
)

// tools is the classes of the command line tools that our documents name.
var tools = map[string]string{
	"kafka-topics.sh":       "org.apache.kafka.tools.TopicCommand",
	"kafka-transactions.sh": "org.apache.kafka.tools.TransactionsCommand",
}

// Tools writes what starts Kafka's command line tools into a folder, by the names of its
// distribution.
func Tools(ctx context.Context, folder string, log io.Writer) error {
	java, jars, err := get(ctx, log)
	if err != nil {
		return err
	}
	errs := []error{os.WriteFile(loggingIn(folder), logging, 0o644)}
	for name, class := range tools {
		cmd := javaCommand(ctx, java, jars, folder, append(quick("128m"), class)...)
		script := fmt.Sprintf("#!/bin/sh\nexec env %s '%s' \"$@\"\n", strings.Join(java.Env, " "), strings.Join(cmd.Args, "' '"))
		errs = append(errs, os.WriteFile(filepath.Join(folder, name), []byte(script), 0o755))
	}
	return errors.Join(errs...)
}

// get finds or downloads Java and the jars of Kafka.
func get(ctx context.Context, log io.Writer) (java toolcache.Tool, jars string, err error) {
	if java, err = toolchain.Java(ctx, log); err != nil {
		return java, "", err
	}
	jars, err = toolchain.Jars{Name: "Apache Kafka", Dir: "kafka", Size: "about 65 MB", Pom: pom}.Get(ctx, java, log)
	return java, jars, err
}
