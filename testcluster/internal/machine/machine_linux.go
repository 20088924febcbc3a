package machine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Check says why no node can run here, or nil.
func Check() error {
	if os.Geteuid() != 0 {
		return errors.New("a node needs root")
	}
	for _, tool := range []string{"ip", "nsenter", "mount"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("a node needs the tool %s (iproute2, util-linux, mount): %w", tool, err)
		}
	}
	if tasks := podTasks(); tasks > 0 && len(shims()) == 0 {
		return errors.New("this computer runs pods already: a second kubelet would remove them")
	}
	return nil
}

// Up makes the place, after removing what a killed process may have left.
func Up(ctx context.Context) error {
	if err := Down(ctx); err != nil {
		return err
	}
	for _, dir := range []string{Base, Run} {
		// Others may pass: root of a pod with users of its own is another user here.
		if err := os.MkdirAll(dir, 0o711); err != nil { //nolint:gosec // see above
			return fmt.Errorf("make folder of node: %w", err)
		}
	}
	if err := borrow(); err != nil {
		return err
	}
	inside := []string{"ip", "-n", Namespace}
	for _, command := range [][]string{
		{"ip", "netns", "add", Namespace},
		{"ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", Namespace},
		{"ip", "addr", "add", HostIP + "/24", "dev", link},
		{"ip", "addr", "add", ServiceIP + "/32", "dev", link},
		{"ip", "link", "set", link, "up"},
		append(slices.Clone(inside), "link", "set", "lo", "up"),
		append(slices.Clone(inside), "addr", "add", NodeIP+"/24", "dev", "eth0"),
		append(slices.Clone(inside), "link", "set", "eth0", "up"),
		append(slices.Clone(inside), "route", "add", "default", "via", HostIP),
		{"ip", "route", "add", PodRange, "via", NodeIP},
	} {
		if err := execute(ctx, command); err != nil {
			return err
		}
	}
	return nil
}

// Down ends every container of the node and removes the place. The kubelet and
// containerd must have ended. It is no error if there is nothing to remove.
func Down(ctx context.Context) error {
	reap()
	if err := unmount(); err != nil {
		return err
	}
	if _, err := os.Stat("/var/run/netns/" + Namespace); err == nil {
		if err := execute(ctx, []string{"ip", "netns", "del", Namespace}); err != nil {
			return err
		}
	}
	if _, err := os.Stat("/sys/class/net/" + link); err == nil {
		// The kernel removes it with the namespace, but not at once.
		if err := execute(ctx, []string{"ip", "link", "del", link}); err != nil && !strings.Contains(err.Error(), "Cannot find device") {
			return err
		}
	}
	if podTasks() == 0 {
		removeCgroups()
	}
	for _, dir := range append(borrowed(), Run, Base) { // Base last, it holds the list
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("remove folder of node: %w", err)
		}
	}
	return nil
}

// fixed lists the folders that kubelet, containerd and the network plugins use
// whatever their configuration says, and the one for logs that a test may want at
// its usual place.
func fixed() []string {
	return []string{"/run/containerd", "/var/lib/cni", "/var/lib/kubelet", "/var/log/containers", "/var/log/pods"}
}

// borrow notes which of the fixed folders are not there yet: these are ours to
// remove, and the note outlives a killed process.
func borrow() error {
	var missing []string
	for _, dir := range fixed() {
		if _, err := os.Lstat(dir); errors.Is(err, os.ErrNotExist) {
			missing = append(missing, dir)
		}
	}
	if err := os.WriteFile(filepath.Join(Base, "borrowed"), []byte(strings.Join(missing, "\n")), 0o600); err != nil {
		return fmt.Errorf("note folders of node: %w", err)
	}
	return nil
}

func borrowed() []string {
	note, err := os.ReadFile(filepath.Join(Base, "borrowed"))
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(strings.Fields(string(note)), func(dir string) bool { return !slices.Contains(fixed(), dir) })
}

// Snapshotter names the containerd plugin that works on the file system of [Base].
func Snapshotter() string {
	const overlay = 0x794c7630 // an overlay can't lie on an overlay
	var stat syscall.Statfs_t
	if err := syscall.Statfs(Base, &stat); err == nil && stat.Type == overlay {
		return "native"
	}
	return "overlayfs"
}

// shims finds the processes that containerd leaves beside each pod. Their
// command line names our socket.
func shims() []int {
	var found []int
	for _, pid := range processes() {
		line, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
		if err == nil && bytes.Contains(line, []byte("containerd-shim")) && bytes.Contains(line, []byte(Socket)) {
			found = append(found, pid)
		}
	}
	return found
}

// reap kills the shims and everything that they have started. Processes of
// containers are descendants of their shim.
func reap() {
	for range 50 {
		doomed := shims()
		if len(doomed) == 0 {
			return
		}
		parents := make(map[int]int)
		for _, pid := range processes() {
			parents[pid] = parent(pid)
		}
		for i := 0; i < len(doomed); i++ {
			for pid, of := range parents {
				if of == doomed[i] {
					doomed = append(doomed, pid)
				}
			}
		}
		slices.Reverse(doomed) // containers before their shim
		for _, pid := range doomed {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may just have ended
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func processes() []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var pids []int
	for _, entry := range entries {
		if pid, err := strconv.Atoi(entry.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// parent reads a parent's process id; the command's name, in parentheses, may
// hold anything, so it counts from the last one.
func parent(pid int) int {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 2 {
		return 0
	}
	number, err := strconv.Atoi(fields[1])
	if err != nil {
		return 0
	}
	return number
}

// unmount frees our folders of mounts, the last one first, and insists: what
// is still mounted there would be deleted with the folder.
func unmount() error {
	for range 5 {
		points := mounts()
		if len(points) == 0 {
			return nil
		}
		slices.Reverse(points)
		for _, point := range points {
			_ = syscall.Unmount(point, syscall.MNT_DETACH) // the next round sees what is left
		}
	}
	if points := mounts(); len(points) > 0 {
		return fmt.Errorf("free the node's folders: still mounted: %s", strings.Join(points, ", "))
	}
	return nil
}

func mounts() []string {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return []string{"/proc/self/mountinfo can't be read"}
	}
	dirs := append(borrowed(), Base, Run)
	var points []string
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		point := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\134`, `\`).Replace(fields[4])
		for _, dir := range dirs {
			if strings.HasPrefix(point, dir+"/") {
				points = append(points, point)
				break
			}
		}
	}
	return points
}

// cgroups finds the group of all pods, in each hierarchy.
func cgroups() []string {
	var found []string
	for _, pattern := range []string{"/sys/fs/cgroup/kubepods", "/sys/fs/cgroup/*/kubepods"} {
		matches, err := filepath.Glob(pattern)
		if err == nil {
			found = append(found, matches...)
		}
	}
	return found
}

// podTasks counts processes in pods, ours or not.
func podTasks() int {
	count := 0
	for _, dir := range podGroups() {
		tasks, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		if err == nil { // a group may just have gone
			count += bytes.Count(tasks, []byte("\n"))
		}
	}
	return count
}

// removeCgroups removes the empty groups that the kubelet leaves, inner ones first.
func removeCgroups() {
	dirs := podGroups()
	slices.Reverse(dirs)
	for _, dir := range dirs {
		_ = syscall.Rmdir(dir) // one that is in use stays
	}
}

// podGroups lists the groups of all pods and everything below, outer ones first.
func podGroups() []string {
	var dirs []string
	for _, root := range cgroups() {
		_ = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				dirs = append(dirs, path)
			}
			return nil // groups come and go while we look
		})
	}
	return dirs
}

func execute(ctx context.Context, command []string) error {
	//nolint:gosec // the commands are ours
	if out, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(command, " "), err, bytes.TrimSpace(out))
	}
	return nil
}
