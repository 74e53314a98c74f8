package sessions

import (
	"os"
	"strconv"

	"golang.org/x/sys/windows"
)

// bootID is not needed: procStart is absolute.
func bootID() string { return "" }

// procStart is when process pid began, in 100 ns since 1601; "" when there is
// no such process.
func procStart(pid int) string {
	h, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, uint32(pid))
	if err != nil {
		return ""
	}
	defer windows.CloseHandle(h) //nolint:errcheck // nothing was written
	var code uint32
	const stillActive = 259
	if windows.GetExitCodeProcess(h, &code) != nil || code != stillActive {
		return ""
	}
	var begun, ended, kernel, user windows.Filetime
	if windows.GetProcessTimes(h, &begun, &ended, &kernel, &user) != nil {
		return ""
	}
	return strconv.FormatInt(begun.Nanoseconds(), 10)
}

func selfExe() (string, error) { return os.Executable() }
