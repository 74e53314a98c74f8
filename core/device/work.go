package device

// Worker is a card that can be measured: it runs work of a known size, over and over.
type Worker interface {
	Card
	// Product is a matrix product of n×n×n on noise, in the device's precision. With
	// twoFour one operand is 2:4; of several libraries the fastest makes it.
	Product(n int, twoFour bool) (Work, error)
	// Copies copies that many bytes within the card's memory: they are read and written.
	Copies(bytes int64) (Work, error)
}

// Work is something that a Worker does.
type Work interface {
	// Run does it n times, n of its own choice, and waits for the end.
	Run() (n int, err error)
	// By names what makes a 2:4 product, the library with its version or a kernel of ours, and
	// where several took turns the time of each; "" for other work.
	By() string
	Close() error
}
