// Redoubt hardens Kubernetes clusters, keeps them hardened and proves it.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/redoubt-k8s/redoubt/internal/cli"
)

// garbagePercent lets the heap grow further between collections than Go does
// by itself: a run is short, and most of what it makes lives to its end.
const garbagePercent = 200

func main() {
	if _, set := os.LookupEnv("GOGC"); !set {
		debug.SetGCPercent(garbagePercent)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Main(ctx, os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
	stop()
	os.Exit(code)
}
