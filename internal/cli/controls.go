package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/run"
)

func controlsCommand(streams Streams) *cobra.Command {
	var selection selectionFlags
	var format string
	cmd := &cobra.Command{
		Use:   "controls [ID...]",
		Short: "List the controls, or explain some of them",
		Long: `Without an argument, controls lists what Redoubt judges. With ids or globs it
explains them: what is wrong, why it matters, how to fix it, when to waive it.`,
		Example: `  redoubt controls
  redoubt controls privilege-escalation
  redoubt controls --framework cis -o json`,
		RunE: func(_ *cobra.Command, args []string) error {
			if format != "text" && format != "json" {
				return fmt.Errorf("--output %q: want text or json", format)
			}
			selection.controls = append(selection.controls, args...)
			s, err := selection.parse()
			if err != nil {
				return err
			}
			controls, err := run.Controls(s, selection.dir)
			if err != nil {
				return err
			}
			switch {
			case format == "json":
				return controlsJSON(streams.Out, controls)
			case len(args) > 0:
				return explain(streams.Out, controls)
			default:
				return list(streams.Out, controls)
			}
		},
	}
	selection.register(cmd)
	cmd.Flags().StringVarP(&format, "output", "o", "text", "format: text or json")
	return cmd
}

func controlsJSON(w io.Writer, controls []*control.Control) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(controls)
}

func list(w io.Writer, controls []*control.Control) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "CONTROL\tSEVERITY\tCHAPTER\tTITLE") //nolint:errcheck // Flush reports it
	for _, c := range controls {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\n", c.ID, c.Severity, c.Chapter, c.Title) //nolint:errcheck // Flush reports it
	}
	return tw.Flush()
}

func explain(w io.Writer, controls []*control.Control) error {
	var b strings.Builder
	for i, c := range controls {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "%s (%s, chapter %s)\n  %s\n\n", c.ID, c.Severity, c.Chapter, c.Title)
		paragraph(&b, "Why", c.Rationale)
		paragraph(&b, "Fix ("+string(c.Fix.Safety)+")", c.Fix.Text)
		paragraph(&b, "Waive when", c.Exceptions)
		paragraph(&b, "Rule", c.Violation)
		paragraph(&b, "Requirements", strings.Join(c.Requirements, ", "))
		paragraph(&b, "Pod Security Standards", c.Maps.PSS)
		paragraph(&b, "CIS", strings.Join(c.Maps.CIS, ", "))
		paragraph(&b, "OWASP", strings.Join(c.Maps.OWASP, ", "))
		paragraph(&b, "MITRE ATT&CK", strings.Join(c.Maps.MITRE, ", "))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func paragraph(b *strings.Builder, head, text string) {
	if text = strings.TrimSpace(text); text == "" {
		return
	}
	fmt.Fprintf(b, "  %s\n", head)
	for line := range strings.Lines(text) {
		fmt.Fprintf(b, "    %s\n", strings.TrimSpace(line))
	}
}
