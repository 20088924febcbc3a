// Package stream runs a command in a container through the API server or a
// kubelet, over a WebSocket: as little of the protocol as reading answers takes.
package stream

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// The channels of the protocol v5.channel.k8s.io, by the first byte of a message.
const (
	stdout = 1
	stderr = 2
	status = 3
)

// opClose is the WebSocket's last frame.
const opClose = 8

// An ExitError says that the command ran and failed.
type ExitError struct{ Message string }

// Error is what the server says about the command.
func (e *ExitError) Error() string { return e.Message }

// Run opens the address and gives what the command writes, errors included.
func Run(address string, header http.Header, config *tls.Config) (string, error) {
	request, err := http.NewRequest(http.MethodGet, address, http.NoBody) //nolint:noctx // the connection has a deadline
	if err != nil {
		return "", err
	}
	request.Header = header.Clone()
	if request.Header == nil {
		request.Header = make(http.Header)
	}
	for k, v := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
		"Sec-WebSocket-Key": "cmVkb3VidC1ub2RldGVzdA==", "Sec-WebSocket-Protocol": "v5.channel.k8s.io",
	} {
		request.Header.Set(k, v)
	}
	config = config.Clone()
	config.NextProtos = []string{"http/1.1"}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close() //nolint:errcheck // nothing is written
	if response.StatusCode != http.StatusSwitchingProtocols {
		const most = 1000
		said, err := io.ReadAll(io.LimitReader(response.Body, most))
		return "", errors.Join(fmt.Errorf("%s: %s", response.Status, said), err)
	}
	timer := time.AfterFunc(time.Minute, func() { _ = response.Body.Close() }) // a command that hangs
	defer timer.Stop()
	return read(bufio.NewReader(response.Body))
}

// read gathers the frames until the server closes.
func read(r *bufio.Reader) (string, error) {
	var said []byte
	for {
		op, payload, err := frame(r)
		if errors.Is(err, io.EOF) || op == opClose {
			return string(said), nil
		}
		if err != nil {
			return string(said), err
		}
		if len(payload) < 2 {
			continue
		}
		switch payload[0] {
		case stdout, stderr:
			said = append(said, payload[1:]...)
		case status:
			return string(said), outcome(payload[1:])
		}
	}
}

func outcome(text []byte) error {
	var s struct {
		Status  string `json:"status"`
		Message string `json:"message"`
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("read status: %w", err)
	}
	if s.Status == "Success" {
		return nil
	}
	return &ExitError{s.Message}
}

// frame reads one frame of a server, which does not mask.
func frame(r *bufio.Reader) (byte, []byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	const size16, size64, maxFrame = 126, 127, 1 << 24
	size := uint64(head[1] & 0x7f)
	switch size {
	case size16:
		var b [2]byte
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return 0, nil, err
		}
		size = uint64(binary.BigEndian.Uint16(b[:]))
	case size64:
		var b [8]byte
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return 0, nil, err
		}
		size = binary.BigEndian.Uint64(b[:])
	}
	if size > maxFrame {
		return 0, nil, fmt.Errorf("frame of %d bytes", size)
	}
	payload := make([]byte, size)
	_, err := io.ReadFull(r, payload)
	return head[0] & 0x0f, payload, err
}
