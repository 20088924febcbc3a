//go:build linux

package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// A role is a program of an example, by what it needs. Whatever it can't have
// ends it with the reason, as it would end the real one.
type role struct {
	// Own are folders that root hands over to User before it becomes that user,
	// as the images of data bases do. Who starts as another user skips both.
	Own  []string `json:"own,omitempty"`
	User int      `json:"user,omitempty"`
	// Write are folders it keeps files in, Read files or folders it reads.
	Write []string `json:"write,omitempty"`
	Read  []string `json:"read,omitempty"`
	// Get are paths of the API server it asks for with its token.
	Get []string `json:"get,omitempty"`
	// Listen are the ports it serves.
	Listen []int `json:"listen,omitempty"`
	// Finish makes it end when all is done, as jobs do.
	Finish bool `json:"finish,omitempty"`
	// Probes are the names under which probes start it.
	Probes []string `json:"probes,omitempty"`
}

func readRole() (*role, error) {
	text := env("STAND_IN")
	if text == "" {
		return nil, nil //nolint:nilnil // no role is no fault
	}
	r := new(role)
	if err := json.Unmarshal([]byte(text), r); err != nil {
		return nil, fmt.Errorf("read role: %w", err)
	}
	return r, nil
}

func (r *role) play() error {
	if r.User != 0 && os.Getuid() == 0 {
		if err := r.become(); err != nil {
			return err
		}
	}
	for _, dir := range r.Write {
		if err := writeBelow(dir); err != nil {
			return err
		}
	}
	for _, path := range r.Read {
		if err := readAny(path); err != nil {
			return err
		}
	}
	for _, path := range r.Get {
		if _, err := ask(http.MethodGet, path, "", nil); err != nil {
			return err
		}
	}
	_, _ = fmt.Fprintf(os.Stdout, "user %d: all there\n", os.Getuid())
	if r.Finish {
		return nil
	}
	failed := make(chan error)
	for _, port := range r.Listen {
		go func() { failed <- serve(fmt.Sprintf(":%d", port)) }()
	}
	go func() { wait(); failed <- nil }()
	return <-failed
}

// become hands the folders over and goes on as the user.
func (r *role) become() error {
	for _, dir := range r.Own {
		if err := os.MkdirAll(dir, 0o750); err != nil {
			return fmt.Errorf("make folder: %w", err)
		}
		if err := os.Chown(dir, r.User, r.User); err != nil {
			return fmt.Errorf("hand over folder: %w", err)
		}
	}
	if err := syscall.Setgroups(nil); err != nil {
		return fmt.Errorf("leave groups: %w", err)
	}
	if err := syscall.Setgid(r.User); err != nil {
		return fmt.Errorf("become group %d: %w", r.User, err)
	}
	if err := syscall.Setuid(r.User); err != nil {
		return fmt.Errorf("become user %d: %w", r.User, err)
	}
	return nil
}

// probe asks whether the program listens.
func (r *role) probe() error {
	for _, port := range r.Listen {
		c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), time.Second) //nolint:noctx // it has a timeout
		if err != nil {
			return err
		}
		if err := c.Close(); err != nil {
			return err
		}
	}
	return nil
}

func writeBelow(dir string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	path := filepath.Join(dir, ".written")
	if err := os.WriteFile(path, []byte("here\n"), 0o600); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// readAny reads a file, or the first one below a folder.
func readAny(path string) error {
	stat, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	if !stat.IsDir() {
		_, err = os.ReadFile(path)
		return err
	}
	found := errors.New("read: no file below " + path)
	err = filepath.WalkDir(path, func(file string, e os.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		_, found = os.ReadFile(file)
		return filepath.SkipAll
	})
	return errors.Join(err, found)
}

func serve(address string) error {
	server := &http.Server{
		Addr: address, ReadHeaderTimeout: 5 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") }),
	}
	return server.ListenAndServe()
}

// account is where pods find the token of their service account.
const account = "/var/run/secrets/kubernetes.io/serviceaccount/"

// ask sends a request to the API server with the token of the pod.
func ask(method, path, contentType string, body io.Reader) (string, error) {
	token, err := os.ReadFile(account + "token")
	if err != nil {
		return "", fmt.Errorf("no token: %w", err)
	}
	ca, err := os.ReadFile(account + "ca.crt")
	if err != nil {
		return "", fmt.Errorf("no authority: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	host := net.JoinHostPort(env("KUBERNETES_SERVICE_HOST"), env("KUBERNETES_SERVICE_PORT"))
	return send(&sending{
		method: method, url: "https://" + host + path, token: string(token), contentType: contentType, body: body,
		tls: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
	})
}

type sending struct {
	method, url, token, contentType string
	body                            io.Reader
	tls                             *tls.Config
	header                          http.Header
}

// send sends a request and gives the answer; a refusal is an error that says why.
func send(s *sending) (string, error) {
	request, err := http.NewRequest(s.method, s.url, s.body) //nolint:noctx // the client has a timeout
	if err != nil {
		return "", err
	}
	maps.Copy(request.Header, s.header)
	if s.token != "" {
		request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(s.token))
	}
	if s.contentType != "" {
		request.Header.Set("Content-Type", s.contentType)
	}
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: s.tls}}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	const most = 1 << 20
	answer, err := io.ReadAll(io.LimitReader(response.Body, most))
	err = errors.Join(err, response.Body.Close())
	if err == nil && response.StatusCode >= http.StatusBadRequest {
		err = fmt.Errorf("%s %s: %s: %s", s.method, request.URL.Path, response.Status, brief(answer))
	}
	return string(answer), err
}

func brief(answer []byte) string {
	var status struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(answer, &status) == nil && status.Message != "" {
		return status.Message
	}
	const most = 300
	return strings.TrimSpace(string(answer[:min(len(answer), most)]))
}
