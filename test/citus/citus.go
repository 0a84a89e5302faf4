// Package citus makes databases of tests on a Citus cluster: `make citus` has the tests
// use one in the place of a single PostgreSQL.
package citus

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// BehindTriggers has the statements that follow in a transaction change what triggers protect,
// on all nodes, as only a superuser can.
func BehindTriggers(statements ...string) []string {
	return append([]string{"SET LOCAL citus.propagate_set_commands = 'local'", "SET LOCAL session_replication_role = replica"}, statements...)
}

// node is a server of a cluster.
type node struct {
	name string
	port uint16
}

func (n node) connect(ctx context.Context, like *pgx.ConnConfig, database string) (*pgx.Conn, error) {
	config := like.Copy()
	config.Host, config.Port, config.Database = n.name, n.port, database
	config.Fallbacks = nil
	return pgx.ConnectConfig(ctx, config)
}

// Workers is how many workers the cluster has whose coordinator a connection string
// names; 0 for a PostgreSQL without Citus.
func Workers(ctx context.Context, server string) (int, error) {
	_, workers, err := nodes(ctx, server)
	return len(workers), err
}

func nodes(ctx context.Context, server string) (like *pgx.ConnConfig, workers []node, err error) {
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	var there bool
	if err := conn.QueryRow(ctx, "SELECT to_regclass('pg_dist_node') IS NOT NULL").Scan(&there); err != nil || !there {
		return nil, nil, err
	}
	rows, err := conn.Query(ctx, "SELECT nodename, nodeport FROM pg_dist_node WHERE groupid <> 0 ORDER BY nodeid")
	if err != nil {
		return nil, nil, err
	}
	workers, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (n node, err error) {
		err = row.Scan(&n.name, &n.port)
		return n, err
	})
	return conn.Config(), workers, err
}

// Join gives an empty database of the coordinator its like on the workers, and makes a
// cluster of them. It returns the number of workers: 0 for a PostgreSQL without Citus, where
// it does nothing.
func Join(ctx context.Context, server, database string) (int, error) {
	like, all, err := nodes(ctx, server)
	if err != nil || len(all) == 0 {
		return 0, err
	}
	// To add a node writes the roles of its server, which two cannot do at once.
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return 0, err
	}
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock(1)"); err != nil {
		return 0, errors.Join(err, conn.Close(ctx))
	}
	return len(all), errors.Join(join(ctx, like, all, database), conn.Close(ctx))
}

func join(ctx context.Context, like *pgx.ConnConfig, workers []node, database string) error {
	coordinator := node{like.Host, like.Port}
	for _, worker := range workers {
		if err := run(ctx, worker, like, like.Database, "CREATE DATABASE "+database+" TEMPLATE template0 ENCODING 'UTF8'"); err != nil {
			return err
		}
		if err := run(ctx, worker, like, database, "CREATE EXTENSION citus"); err != nil {
			return err
		}
	}
	statements := []string{"CREATE EXTENSION citus", fmt.Sprintf("SELECT citus_set_coordinator_host('%s', %d)", coordinator.name, coordinator.port)}
	for _, worker := range workers {
		statements = append(statements, fmt.Sprintf("SELECT citus_add_node('%s', %d)", worker.name, worker.port))
	}
	return run(ctx, coordinator, like, database, statements...)
}

// Drop removes from the workers what Join has made there, when the database of the
// coordinator is gone.
func Drop(ctx context.Context, server, database string) error {
	like, workers, err := nodes(ctx, server)
	for _, worker := range workers {
		err = errors.Join(err, run(ctx, worker, like, like.Database, "DROP DATABASE IF EXISTS "+database+" WITH (FORCE)"))
	}
	return err
}

func run(ctx context.Context, on node, like *pgx.ConnConfig, database string, statements ...string) (err error) {
	conn, err := on.connect(ctx, like, database)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	for _, statement := range statements {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s:%d: %s: %w", on.name, on.port, statement, err)
		}
	}
	return nil
}
