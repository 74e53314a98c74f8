package sessions

import (
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// bootID changes with every boot of the machine.
var bootID = sync.OnceValue(func() string {
	id, err := unix.Sysctl("kern.bootsessionuuid")
	if err != nil {
		return ""
	}
	return id
})

// procStart is when process pid began, as seconds.microseconds since 1970; ""
// when there is no such process.
func procStart(pid int) string {
	k, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	const zombie = 5 // SZOMB of sys/proc.h
	if err != nil || k == nil || int(k.Proc.P_pid) != pid || k.Proc.P_stat == zombie {
		return ""
	}
	t := k.Proc.P_starttime
	return fmt.Sprintf("%d.%06d", t.Sec, t.Usec)
}

func selfExe() (string, error) { return os.Executable() }
