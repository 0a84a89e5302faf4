package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"referral/store"
)

func newMigrate(p process) *cobra.Command {
	var distributed bool
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Bring the database schema to the newest version, and create the topics that are missing",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, err := openApp(cmd, p, readWrite)
			if err != nil {
				return err
			}
			defer a.close()
			defer a.watchCommits(cmd.Context())()
			d := &a.config.Database
			roles := store.Roles{Service: d.Role, Reader: d.ReaderRole, Reporting: d.ReportingRole}
			version, err := a.store.Migrate(cmd.Context(), roles)
			if err != nil {
				return err
			}
			fmt.Fprintf(p.out, "schema version %d\n", version)
			excess, err := a.store.ExcessRights(cmd.Context(), roles)
			if err != nil {
				return err
			}
			for _, e := range excess {
				fmt.Fprintln(p.err, e)
			}
			if distributed {
				moved, err := a.store.Distribute(cmd.Context(), roles)
				if err != nil {
					return err
				}
				fmt.Fprintf(p.out, "tables laid out over the nodes of the cluster: %d\n", moved)
			}
			created, absent, err := a.kafka().ensureTopics(cmd.Context(), a.config.Invitations.UsesTopic())
			if len(created) > 0 && err == nil {
				fmt.Fprintf(p.out, "topics created: %s\n", strings.Join(created, ", "))
			}
			if absent != "" {
				fmt.Fprintf(p.out, "topic %s is missing: invitations wait until it is created\n", absent)
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&distributed, "distributed", false, "also lay the tables out over the nodes of a Citus cluster")
	return cmd
}
