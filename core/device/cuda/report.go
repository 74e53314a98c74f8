package cuda

import "pare/core/device/cuda/internal/cu"

// Found is what the search for one of NVIDIA's libraries came to.
type Found = cu.Found

// Card is what a card says of itself.
type Card = cu.Info

// Report looks for the driver, its cards and the libraries that the device needs or
// gains from, and says what was found where and what a missing one costs. It opens
// them, runs nothing and takes none of a card's memory.
func Report() []Found { return cu.Report() }
