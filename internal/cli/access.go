package cli

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/redoubt-k8s/redoubt/internal/run"
)

func accessCommand(streams Streams) *cobra.Command {
	var selection selectionFlags
	var opts run.AccessOptions
	cmd := &cobra.Command{
		Use:   "access",
		Short: "Print the least rights a scan of a cluster needs",
		Long: `Access prints a ClusterRole with the rights that redoubt scan --cluster needs for
the chosen controls, and no others. Without a selection they are the rights of
redoubt snapshot, too. Nothing is read from a cluster.`,
		Example: `  redoubt access | kubectl apply -f -
  redoubt access --framework pss-restricted
  redoubt access --node-proxy`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			var err error
			if opts.Selection, err = selection.parse(); err != nil {
				return err
			}
			opts.OwnControls = selection.dir
			role, err := run.Access(opts)
			if err != nil {
				return err
			}
			_, err = io.WriteString(streams.Out, role)
			return err
		},
	}
	selection.register(cmd)
	cmd.Flags().BoolVar(&opts.NodeProxy, "node-proxy", false, "with the right to read the configuration of kubelets, as scan --node-proxy does")
	return cmd
}
