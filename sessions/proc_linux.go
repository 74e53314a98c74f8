package sessions

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"sync"
)

// bootID changes with every boot of the machine.
var bootID = sync.OnceValue(func() string {
	b, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(b))
})

// procStart is when process pid began, in clock ticks since the boot: field 22
// of proc_pid_stat(5). "" when there is no such process or it is a zombie.
func procStart(pid int) string {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return ""
	}
	i := bytes.LastIndexByte(b, ')') // the name before it may hold anything
	if i < 0 {
		return ""
	}
	f := strings.Fields(string(b[i+1:])) // field 3 is first
	if len(f) < 20 || f[0] == "Z" || f[0] == "X" {
		return ""
	}
	return f[19]
}

// selfExe is the running binary. The link still opens it when the file is gone,
// as after `go run`.
func selfExe() (string, error) { return "/proc/self/exe", nil }
