package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

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
		root, err := os.Getwd()
		if err != nil {
			return nil, fmt.Errorf("find the current folder: %w", err)
		}
		return sarif.Renderer{Root: filepath.ToSlash(root)}, nil
	case formatJUnit:
		return junit.Renderer{}, nil
	case formatHTML:
		return html.Renderer{}, nil
	case formatMarkdown:
		return markdown.Renderer{}, nil
	}
	return nil, fmt.Errorf("--output %q: want text, json, sarif, junit, html or markdown", o.format)
}

// write puts the report where it was asked for. A file is written whole or not
// at all.
func (o *outputFlags) write(stdout io.Writer, render report.Renderer, rep *report.Report) error {
	if o.file == "" {
		out := bufio.NewWriterSize(stdout, writeBuffer)
		if err := render.Render(out, rep); err != nil {
			return fmt.Errorf("render the report: %w", err)
		}
		return out.Flush()
	}
	if err := writeFile(o.file, func(w io.Writer) error { return render.Render(w, rep) }); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

const writeBuffer = 64 << 10

// writeFile writes beside the file and renames, unless the name is that of a
// device or pipe.
func writeFile(name string, write func(io.Writer) error) error {
	info, err := os.Stat(name)
	if err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(write(f), f.Close())
	}
	const readableByAll = 0o644
	mode := fs.FileMode(readableByAll)
	if err == nil {
		mode = info.Mode().Perm()
	}
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".tmp*")
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(f, writeBuffer)
	err = write(out)
	err = errors.Join(err, out.Flush(), f.Chmod(mode), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the first error is the one to report
	}
	return err
}
