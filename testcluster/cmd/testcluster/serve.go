package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/redoubt-k8s/redoubt/testcluster"
)

// A request is one line on the standard input of serve. Exactly one field is
// set.
type request struct {
	// Kubeconfig asks for a kubeconfig of a user.
	Kubeconfig *user `json:"kubeconfig,omitempty"`
	// RestartAPIServer restarts the API server; its fields replace those of the
	// options, so {} changes nothing.
	RestartAPIServer json.RawMessage `json:"restartAPIServer,omitempty"`
}

type user struct {
	Name   string   `json:"user"`
	Groups []string `json:"groups"`
}

// A reply is one line on the standard output of serve, after the first.
type reply struct {
	Kubeconfig string              `json:"kubeconfig,omitempty"`
	Access     *testcluster.Access `json:"access,omitempty"`
	Error      string              `json:"error,omitempty"`
}

// serve runs a cluster as long as its standard input is open. A test owns it by
// holding the other end: however the test ends, the cluster does too.
func serve(ctx context.Context, args []string, std streams) error {
	flags := newFlags("serve", std)
	text := flags.String("options", "", "options as JSON, or @FILE; without, the first JSON value on stdin")
	state := flags.String("state", "", "run for `NAME` as up does: keep state in the cache, leave stdin alone")
	if err := parse(flags, args); err != nil {
		return err
	}
	if *state != "" {
		return serveDetached(ctx, *state, *text, std)
	}
	input := json.NewDecoder(std.stdin)
	var o testcluster.Options
	var err error
	if *text == "" {
		input.DisallowUnknownFields()
		err = input.Decode(&o)
	} else {
		o, err = parseOptions(*text)
	}
	if err != nil {
		return fmt.Errorf("read options: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	requests := make(chan request)
	var broken error
	go func() {
		defer cancel()
		broken = read(ctx, input, requests)
	}()
	err = own(ctx, o, std, requests)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil // whoever started us no longer wants the cluster
	}
	if ctx.Err() != nil && err == nil {
		return broken
	}
	return err
}

// read passes requests on until the input ends.
func read(ctx context.Context, input *json.Decoder, requests chan<- request) error {
	for {
		var r request
		err := input.Decode(&r)
		if errors.Is(err, io.EOF) || errors.Is(err, os.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read request: %w", err)
		}
		select {
		case requests <- r:
		case <-ctx.Done():
			return nil
		}
	}
}

// own runs a cluster, tells about it, and answers requests until ctx ends.
func own(ctx context.Context, o testcluster.Options, std streams, requests <-chan request) error {
	return with(ctx, o, std, func(life context.Context, cluster *testcluster.Cluster) error {
		output := json.NewEncoder(std.stdout)
		err := output.Encode(cluster.Access())
		for err == nil && ctx.Err() == nil {
			select {
			case <-ctx.Done():
			case r := <-requests:
				err = output.Encode(answer(life, cluster, r))
			}
		}
		return err
	})
}

// with starts a cluster, calls use, and stops the cluster. While the cluster
// starts, the end of ctx kills it. Once it runs it lives on after that, until
// use returns, so that it can stop in good order.
func with(
	ctx context.Context, o testcluster.Options, std streams,
	use func(life context.Context, cluster *testcluster.Cluster) error,
) error {
	o.Progress = std.stderr
	life, kill := context.WithCancel(context.WithoutCancel(ctx))
	defer kill()
	unhook := context.AfterFunc(ctx, kill)
	cluster, err := testcluster.Start(life, o)
	if err != nil {
		return err
	}
	unhook()
	return errors.Join(use(life, cluster), cluster.Stop()) //nolint:contextcheck // it must stop even if ctx has ended
}

func answer(ctx context.Context, cluster *testcluster.Cluster, r request) reply {
	switch {
	case r.Kubeconfig != nil:
		content, err := cluster.KubeconfigFor(r.Kubeconfig.Name, r.Kubeconfig.Groups...)
		if err != nil {
			return reply{Error: err.Error()}
		}
		path, err := keep(cluster.Access().Dir, content)
		if err != nil {
			return reply{Error: err.Error()}
		}
		return reply{Kubeconfig: path}
	case len(r.RestartAPIServer) > 0:
		var broken error
		err := cluster.RestartAPIServer(ctx, func(o *testcluster.Options) { broken = decode(r.RestartAPIServer, o) })
		if err = errors.Join(broken, err); err != nil {
			return reply{Error: err.Error()}
		}
		access := cluster.Access()
		return reply{Access: &access}
	default:
		return reply{Error: "unknown request: want kubeconfig or restartAPIServer"}
	}
}

// keep writes a kubeconfig into the cluster's folder under a new name.
func keep(dir string, content []byte) (string, error) {
	file, err := os.CreateTemp(dir, "user-*.kubeconfig")
	if err != nil {
		return "", fmt.Errorf("write kubeconfig: %w", err)
	}
	_, err = file.Write(content)
	if err := errors.Join(err, file.Close()); err != nil {
		return "", fmt.Errorf("write kubeconfig: %w", err)
	}
	return file.Name(), nil
}

// parseOptions reads options from JSON or from a file named after an @.
func parseOptions(text string) (testcluster.Options, error) {
	var o testcluster.Options
	content := []byte(text)
	if name, ok := strings.CutPrefix(text, "@"); ok {
		read, err := os.ReadFile(name)
		if err != nil {
			return o, err
		}
		content = read
	}
	if len(bytes.TrimSpace(content)) == 0 {
		return o, nil
	}
	return o, decode(content, &o)
}

func decode(content []byte, o *testcluster.Options) error {
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	return decoder.Decode(o)
}
