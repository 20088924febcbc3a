//go:build linux

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// numbers are the system calls that package syscall lacks on some computers.
var numbers = map[string]struct{ bpf, initModule, ioperm, openByHandle, shmget, shmat, shmctl uintptr }{
	"amd64": {321, 175, 173, 304, 29, 30, 31},
	"arm64": {280, 105, 0, 265, 194, 196, 195},
}

// disk mounts the disk on which a file of the node lies, and reads the file. It
// knows the disk by the file of host names that every container has from there.
func disk(a []string) (string, error) {
	var stat syscall.Stat_t
	if err := syscall.Stat("/etc/hosts", &stat); err != nil {
		return "", err
	}
	const device, point = "/tmp/disk", "/tmp/mounted"
	if err := syscall.Mknod(device, syscall.S_IFBLK|0o600, int(stat.Dev)); err != nil {
		return "", fmt.Errorf("make device: %w", err)
	}
	defer os.Remove(device) //nolint:errcheck // it goes with the container
	if err := os.MkdirAll(point, 0o700); err != nil {
		return "", err
	}
	var err error
	for _, kind := range []string{"ext4", "xfs", "btrfs"} {
		if err = syscall.Mount(device, point, kind, 0, ""); err == nil {
			content, err := os.ReadFile(point + a[0])
			return string(content), errors.Join(err, syscall.Unmount(point, syscall.MNT_DETACH))
		}
		if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
			break
		}
	}
	return "", fmt.Errorf("mount: %w", err)
}

// superblock reads the start of a disk as a device, and knows ext4, xfs, btrfs.
func superblock(a []string) (string, error) {
	f, err := os.Open(a[0])
	if err != nil {
		return "", err
	}
	defer f.Close() //nolint:errcheck // only read
	for _, magic := range []struct {
		at   int64
		text string
	}{{1024 + 56, "\x53\xef"}, {0, "XFSB"}, {65536 + 64, "_BHRfS_M"}} {
		b := make([]byte, len(magic.text))
		if _, err := f.ReadAt(b, magic.at); err != nil {
			return "", err
		}
		if string(b) == magic.text {
			return "a file system", nil
		}
	}
	return "", errors.New("no file system that is known")
}

// handle opens the root folder of the disk that the file of host names lies on
// by its number, and a file below it.
func handle(a []string) (string, error) {
	mount, err := syscall.Open("/etc/hosts", syscall.O_RDONLY, 0)
	if err != nil {
		return "", err
	}
	const rootOfExt4, inode32 = 2, 1
	h := struct {
		size, kind     uint32
		inode, version uint32
	}{8, inode32, rootOfExt4, 0}
	dir, _, errno := syscall.Syscall(numbers[runtime.GOARCH].openByHandle, uintptr(mount), uintptr(unsafe.Pointer(&h)), syscall.O_RDONLY|syscall.O_DIRECTORY)
	if errno != 0 {
		return "", fmt.Errorf("open by handle: %w", errno)
	}
	fd, err := syscall.Openat(int(dir), strings.TrimPrefix(a[0], "/"), syscall.O_RDONLY, 0)
	if err != nil {
		return "", fmt.Errorf("open below: %w", err)
	}
	b := make([]byte, 4096)
	n, err := syscall.Read(fd, b)
	return string(b[:max(n, 0)]), err
}

// releaseAgent mounts a hierarchy of control groups of its own and names a
// program of this container as what the kernel starts when a group is empty: it
// runs outside, as root, and notes where it was.
func releaseAgent([]string) (string, error) {
	upper, err := upperFolder()
	if err != nil {
		return "", err
	}
	const point = "/tmp/groups"
	if err := os.MkdirAll(point, 0o700); err != nil {
		return "", err
	}
	if err := syscall.Mount("none", point, "cgroup", 0, "none,name=redoubt-nodetest"); err != nil {
		return "", fmt.Errorf("mount control groups: %w", err)
	}
	defer func() {
		_ = os.Remove(point + "/group")
		_ = syscall.Unmount(point, 0)
	}()
	program, err := os.ReadFile("/program")
	if err != nil {
		return "", err
	}
	if err := os.WriteFile("/tmp/agent", program, 0o700); err != nil {
		return "", err
	}
	if err := os.Mkdir(point+"/group", 0o700); err != nil {
		return "", err
	}
	// The agent writes into a file that is there: what appears below an overlay by
	// itself may not be seen in it.
	if err := os.WriteFile("/tmp/proof", nil, 0o600); err != nil {
		return "", err
	}
	for _, f := range []struct{ name, text string }{
		{"/release_agent", filepath.Join(upper, "tmp/agent")},
		{"/group/notify_on_release", "1"},
		{"/group/cgroup.procs", strconv.Itoa(os.Getpid())},
		{"/cgroup.procs", strconv.Itoa(os.Getpid())},
	} {
		if err := os.WriteFile(point+f.name, []byte(f.text), 0o600); err != nil {
			return "", fmt.Errorf("write %s: %w", f.name, err)
		}
	}
	for range 50 {
		if content, err := os.ReadFile("/tmp/proof"); err == nil && len(content) > 0 {
			return string(content), nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return "", errors.New("the kernel does not start the agent")
}

// upperFolder is where the node keeps what this container writes.
func upperFolder() (string, error) {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line)
		if _, after, ok := strings.Cut(line, "upperdir="); ok && fields[4] == "/" {
			dir, _, _ := strings.Cut(after, ",")
			return strings.TrimSpace(dir), nil
		}
	}
	return "", errors.New("the container is no overlay")
}

// prove is what the agent does: it notes, beside itself, who and where it is.
func prove() error {
	where, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil {
		return err
	}
	text := fmt.Sprintf("user %d in %s", os.Getuid(), where)
	return os.WriteFile(filepath.Join(filepath.Dir(os.Args[0]), "proof"), []byte(text), 0o600)
}

// module hands the kernel a module that is none. Who may load modules is told
// that it is none; the others that they may not.
func module([]string) (string, error) {
	text := []byte("not a module")
	params := []byte{0}
	_, _, errno := syscall.Syscall(numbers[runtime.GOARCH].initModule, uintptr(unsafe.Pointer(&text[0])), uintptr(len(text)), uintptr(unsafe.Pointer(&params[0])))
	if errors.Is(errno, syscall.ENOEXEC) || errors.Is(errno, syscall.EINVAL) {
		return "the kernel has looked at the module: " + errno.Error(), nil
	}
	return "", errno
}

// ioPorts asks for one port of the processor that nothing uses.
func ioPorts([]string) (string, error) {
	call := numbers[runtime.GOARCH].ioperm
	if call == 0 {
		return "", errors.New("this processor has no ports")
	}
	const unused = 0x80
	if _, _, errno := syscall.Syscall(call, unused, 1, 1); errno != 0 {
		return "", errno
	}
	return "ports are open", nil
}

// trace loads a program into the kernel that reads its memory; it is attached
// to nothing.
func trace([]string) (string, error) {
	const kprobe, load, probeReadKernel = 2, 5, 113
	// r1 = r10 - 8; r2 = 8; r3 = 0; call probe_read_kernel; r0 = 0; exit
	program := []uint64{0xa1bf, 0xfffffff800000107, 0x00000008000002b7, 0x3b7, probeReadKernel<<32 | 0x85, 0xb7, 0x95}
	license := []byte("GPL\x00")
	attr := struct {
		kind, count       uint32
		program, license  uint64
		level, size       uint32
		log               uint64
		version, flags    uint32
		name              [16]byte
		index, attachType uint32
	}{
		kind: kprobe, count: uint32(len(program)),
		program: uint64(uintptr(unsafe.Pointer(&program[0]))), license: uint64(uintptr(unsafe.Pointer(&license[0]))),
	}
	fd, _, errno := syscall.Syscall(numbers[runtime.GOARCH].bpf, load, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	runtime.KeepAlive(program)
	runtime.KeepAlive(license)
	if errno != 0 {
		return "", fmt.Errorf("load: %w", errno)
	}
	return "the kernel has taken the program", syscall.Close(int(fd))
}

// promiscuous makes the interface of the pods' bridge take all frames, and then
// puts it back.
func promiscuous([]string) (string, error) {
	const bridge, getFlags, setFlags, promisc = "cni0", 0x8913, 0x8914, 0x100
	if _, err := net.InterfaceByName(bridge); err != nil {
		return "", err
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
	if err != nil {
		return "", err
	}
	var request [40]byte
	copy(request[:], bridge)
	for _, change := range []uint16{promisc, 0} {
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), getFlags, uintptr(unsafe.Pointer(&request[0]))); errno != 0 {
			return "", errno
		}
		flags := binary.NativeEndian.Uint16(request[16:])
		binary.NativeEndian.PutUint16(request[16:], flags&^promisc|change)
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), setFlags, uintptr(unsafe.Pointer(&request[0]))); errno != 0 {
			return "", errno
		}
	}
	return "the bridge took all frames", syscall.Close(fd)
}

// tick sets the length of the clock's tick to what it is.
func tick([]string) (string, error) {
	var t syscall.Timex
	if _, err := syscall.Adjtimex(&t); err != nil {
		return "", err
	}
	const modeTick = 0x4000
	t = syscall.Timex{Modes: modeTick, Tick: t.Tick}
	if _, err := syscall.Adjtimex(&t); err != nil {
		return "", err
	}
	return "the clock obeys", nil
}

// memoryKey names the segment of the test.
const memoryKey, memorySize = 0x52444254, 4096

// sharedMemory looks for a text in the segment.
func sharedMemory(a []string) (string, error) {
	memory, err := attach(0)
	if err != nil {
		return "", err
	}
	text, _, _ := strings.Cut(string(memory), "\x00")
	if !strings.Contains(text, a[0]) {
		return "", errors.New("the segment holds something else")
	}
	return text, nil
}

// keepMemory makes the segment with a text in it, waits as long as asked, and
// removes it.
func keepMemory(a []string) (string, error) {
	const create = 0o1000 | 0o600
	memory, err := attach(create)
	if err != nil {
		return "", err
	}
	copy(memory, a[0])
	if err := os.WriteFile(a[1], []byte("ready"), 0o600); err != nil {
		return "", err
	}
	wait()
	call, remove := numbers[runtime.GOARCH], uintptr(0)
	id, _, errno := syscall.Syscall(call.shmget, memoryKey, memorySize, 0)
	if errno != 0 {
		return "", errno
	}
	if _, _, errno := syscall.Syscall(call.shmctl, id, remove, 0); errno != 0 {
		return "", fmt.Errorf("remove segment: %w", errno)
	}
	return "", nil
}

// attach gives the segment.
func attach(flags uintptr) ([]byte, error) {
	call := numbers[runtime.GOARCH]
	id, _, errno := syscall.Syscall(call.shmget, memoryKey, memorySize, flags)
	if errno != 0 {
		return nil, fmt.Errorf("find segment: %w", errno)
	}
	at, _, errno := syscall.Syscall(call.shmat, id, 0, 0)
	if errno != 0 {
		return nil, fmt.Errorf("attach segment: %w", errno)
	}
	return unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&at))), memorySize), nil
}
