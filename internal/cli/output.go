package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/redoubt-k8s/redoubt/internal/report"
	"github.com/redoubt-k8s/redoubt/internal/report/html"
	"github.com/redoubt-k8s/redoubt/internal/report/json"
	"github.com/redoubt-k8s/redoubt/internal/report/junit"
	"github.com/redoubt-k8s/redoubt/internal/report/markdown"
	"github.com/redoubt-k8s/redoubt/internal/report/sarif"
	"github.com/redoubt-k8s/redoubt/internal/report/text"
)

// The output formats.
const (
	formatText     = "text"
	formatJSON     = "json"
	formatSARIF    = "sarif"
	formatJUnit    = "junit"
	formatHTML     = "html"
	formatMarkdown = "markdown"
)

// outputFlags choose the form of the report.
type outputFlags struct {
	format, file, colour string
	passed               bool
}

func (o *outputFlags) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVarP(&o.format, "output", "o", formatText, "format: text, json, sarif, junit, html, markdown")
	f.StringVar(&o.file, "output-file", "", "write the report to a file instead of standard output")
	f.StringVar(&o.colour, "color", "auto", "colour the text: auto, always, never")
	f.BoolVar(&o.passed, "show-passed", false, "list what passed, too")
}

func (o *outputFlags) renderer(stdout io.Writer) (report.Renderer, error) {
	if o.file != "" {
		stdout = io.Discard
	}
	colour, err := colour(o.colour, stdout)
	if err != nil {
		return nil, err
	}
	switch o.format {
	case formatText:
		return text.Renderer{Colour: colour, Width: width(stdout)}, nil
	case formatJSON:
		return json.Renderer{}, nil
	case formatSARIF:
		return sarif.Renderer{}, nil
	case formatJUnit:
		return junit.Renderer{}, nil
	case formatHTML:
		return html.Renderer{}, nil
	case formatMarkdown:
		return markdown.Renderer{}, nil
	}
	return nil, fmt.Errorf("--output %q: want text, json, sarif, junit, html or markdown", o.format)
}
