package sessions

import "pare/core"

// runner is the run itself; tests put others in its place.
var runner = core.Run
