package cli

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/redoubt-k8s/redoubt/internal/run"
)

func snapshotCommand(streams Streams) *cobra.Command {
	flags := clusterFlags{on: true}
	var output string
	var failOnUnknown bool
	cmd := &cobra.Command{
		Use:   "snapshot -o FILE",
		Short: "Keep what a scan of a cluster needs in a file",
		Long: `Snapshot reads all that controls look at from a cluster into one compressed file.
redoubt scan FILE then judges it as if it were the cluster, at any time, in any
place. Values of Secrets are neither read nor kept; ConfigMaps are kept whole.

Exit codes: 0 the file is written; 2 it is not; 3 something could not be read and
--fail-on-unknown was given.`,
		Example: `  redoubt snapshot -o prod.redoubt --context prod
  redoubt scan prod.redoubt`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output == "" {
				return errors.New("-o FILE says where to write the snapshot")
			}
			if err := flags.check(cmd); err != nil {
				return err
			}
			progress := startProgress(streams.Err)
			taken, err := run.Snapshot(cmd.Context(), run.SnapshotOptions{
				Cluster: flags.from, Output: output, Version: Version(), Progress: progress.set,
				Now: time.Now(), //nolint:forbidigo // the shell is where the clock is read
			})
			progress.stop()
			if err != nil {
				return err
			}
			return reportTaken(streams, output, taken, failOnUnknown)
		},
	}
	flags.register(cmd)
	cmd.Flags().StringSliceVarP(&flags.from.Namespaces, "namespace", "n", nil, "namespaces to read one by one where lists over all are forbidden")
	cmd.Flags().StringVarP(&output, "output", "o", "", "file to write")
	cmd.Flags().BoolVar(&failOnUnknown, "fail-on-unknown", false, "exit with 3 if something could not be read")
	return cmd
}

func reportTaken(streams Streams, output string, taken *run.Taken, failOnUnknown bool) error { //nolint:revive // the flag as it is
	for _, g := range taken.Gaps {
		if _, err := fmt.Fprintf(streams.Err, "not read: %s: %s\n", g.What, g.Why); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintf(streams.Err, "%s: %d objects of %s (%s)\n", output, taken.Objects, taken.Server, taken.ServerVersion); err != nil {
		return err
	}
	if failOnUnknown && len(taken.Gaps) > 0 {
		return &ExitError{Code: ExitUnknown, Err: fmt.Errorf("%d things could not be read", len(taken.Gaps))}
	}
	return nil
}
