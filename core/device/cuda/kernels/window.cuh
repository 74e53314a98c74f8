// Sizes of a convolution or pool, type window of pool.go: x of H×W pixels and C channels,
// y of OH×OW.
struct Window {
	int C, H, W, OH, OW, KH, KW, SH, SW, PT, PL, count_pad;
};
