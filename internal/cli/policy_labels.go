package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/redoubt-k8s/redoubt/internal/policy"
	"github.com/redoubt-k8s/redoubt/internal/run"
)

const formatYAML = "yaml"

func policyLabelsCommand(streams Streams) *cobra.Command {
	var opts run.LabelOptions
	var format string
	var from clusterFlags
	cmd := &cobra.Command{
		Use:   "labels [PATH...]",
		Short: "Say which Pod Security level each namespace could enforce today",
		Long: `Labels finds, for each namespace in the files, in a snapshot or with --cluster
in a cluster, the strictest Pod Security level that all its pods pass, and what
keeps it from the next one. With -o yaml it
writes namespaces with labels that enforce the first and warn of the second.`,
		Example: `  redoubt policy labels deploy/
  redoubt policy labels deploy/ -o yaml --kubernetes-version v1.36
  redoubt policy labels --cluster`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if format != formatText && format != formatJSON && format != formatYAML {
				return fmt.Errorf("--output %q: want text, yaml or json", format)
			}
			if err := from.check(cmd); err != nil {
				return err
			}
			opts.Paths, opts.Stdin = args, streams.In
			opts.Place = from.place(opts.Input)
			levels, err := run.PodSecurityLevels(cmd.Context(), opts)
			if err != nil {
				return err
			}
			return printLevels(streams, format, levels)
		},
	}
	from.register(cmd)
	f := cmd.Flags()
	f.BoolVar(&from.on, "cluster", false, "judge the pods of the cluster of the kubeconfig; only reads")
	f.StringVar(&opts.KubernetesVersion, "kubernetes-version", "latest", "Kubernetes version of the levels: latest or v1.N")
	f.BoolVar(&opts.KeepGoing, "keep-going", false, "go on when a file can't be read")
	f.StringVarP(&format, "output", "o", formatText, "format: text, yaml or json")
	return cmd
}

func printLevels(streams Streams, format string, levels []run.NamespaceLevels) error {
	switch format {
	case formatJSON:
		return indented(streams.Out, levels)
	case formatYAML:
		var objects []runtime.Object
		for i := range levels {
			if ns := levels[i].Manifest(); ns != nil {
				objects = append(objects, ns)
				continue
			}
			fmt.Fprintf(streams.Err, "redoubt: namespace %s is left out: a pod in it can't be judged\n", levels[i].Namespace) //nolint:errcheck // nowhere left to report it
		}
		text, err := policy.YAML(objects...)
		if err != nil {
			return err
		}
		_, err = streams.Out.Write(text)
		return err
	}
	var b strings.Builder
	for i := range levels {
		describeLevels(&b, &levels[i])
	}
	_, err := io.WriteString(streams.Out, b.String())
	return err
}

func describeLevels(b *strings.Builder, l *run.NamespaceLevels) {
	today := "enforces nothing"
	if l.Today != "" {
		today = "enforces " + l.Today
	}
	fmt.Fprintf(b, "%s: %s today; ", l.Namespace, today)
	switch {
	case l.Level == "":
		fmt.Fprintf(b, "its level is unknown, because not all of %s can be judged\n", counted(l.Templates, "pod template", "pod templates"))
		describePods(b, l.Unknown)
		return
	case l.Templates == 0:
		fmt.Fprintf(b, "no pod among the files stands in the way of %s\n", l.Level)
	default:
		fmt.Fprintf(b, "%s could enforce %s\n", counted(l.Templates, "pod template", "pod templates"), l.Level)
	}
	if l.Next != "" {
		fmt.Fprintf(b, "  in the way of %s:\n", l.Next)
		describePods(b, l.Obstacles)
	}
}

func describePods(b *strings.Builder, pods []policy.Obstacle) {
	for _, p := range pods {
		place := ""
		if p.File != "" {
			place = fmt.Sprintf(" (%s:%d)", p.File, p.Line)
		}
		fmt.Fprintf(b, "    %s%s: %s\n", p.Object, place, strings.Join(p.Checks, "; "))
	}
}
