package cli

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/redoubt-k8s/redoubt/internal/run"
)

func accessCommand(streams Streams) *cobra.Command {
	var selection selectionFlags
	var flags clusterFlags
	var opts run.AccessOptions
	cmd := &cobra.Command{
		Use:   "access",
		Short: "Print the least rights a scan of a cluster needs",
		Long: `Access prints a ClusterRole with the rights that redoubt scan --cluster needs for
the chosen controls, and no others. Without a selection they are the rights of
redoubt snapshot, too. Nothing is read from a cluster, unless --cluster is given:
then the kinds with pod templates that it defines are among the rights.`,
		Example: `  redoubt access | kubectl apply -f -
  redoubt access --framework pss-restricted
  redoubt access --cluster --context prod
  redoubt access --node-proxy`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := flags.check(cmd, "node-proxy")
			if err != nil {
				return err
			}
			if opts.NodeProxy = flags.from.NodeProxy; flags.on {
				opts.Cluster, opts.Version = &flags.from, Version()
			}
			if opts.Selection, err = selection.parse(); err != nil {
				return err
			}
			opts.OwnControls = selection.dir
			role, err := run.Access(cmd.Context(), opts)
			if err != nil {
				return err
			}
			_, err = io.WriteString(streams.Out, role)
			return err
		},
	}
	selection.register(cmd)
	flags.register(cmd)
	cmd.Flags().BoolVar(&flags.on, "cluster", false, "ask a cluster which of the kinds it defines hold pod templates, and add the rights to read them")
	cmd.Flags().Lookup("node-proxy").Usage = "with the right to read the configuration of kubelets, as scan --node-proxy does"
	return cmd
}
