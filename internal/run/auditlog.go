package run

import (
	"fmt"
	"os"

	"github.com/redoubt-k8s/redoubt/internal/fix"
)

// readAuditLog reads what accounts did from the audit log of an API server.
func readAuditLog(name string) (*fix.Used, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("--audit-log: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	used, err := fix.ReadAuditLog(f)
	if err != nil {
		return nil, fmt.Errorf("--audit-log %s: %w", name, err)
	}
	return used, nil
}

// exists tells whether there is anything of a name.
func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}
