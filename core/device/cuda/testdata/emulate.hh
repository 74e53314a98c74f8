// A card in C++ for the tests of conv_mma.cu, attention_wide.cu, batchnorm.cu and pool.cu: it runs a kernel's own source,
// with what that says in PTX put in other words here. The threads of a block are contexts that
// run in a random order, one at a time, each until it waits for others: at a barrier, or
// where a warp acts as one. Copies that run beside are made at once or as late as they may
// be, at random, so that a wait that is missing gives wrong values. Shared memory begins as
// NaN. Blocks run one after another.

#include <csetjmp>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <cmath>
#include <deque>
#include <random>
#include <vector>
#include <sys/mman.h>
#include <ucontext.h>

#define __device__
#define __global__
#define __forceinline__ inline
#define __launch_bounds__(...)

struct uint4 { unsigned x, y, z, w; };
struct float2 { float x, y; };
struct float4 { float x, y, z, w; };
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
template <class A, class B> A same_bits(B b) { A a; static_assert(sizeof a == sizeof b, ""); memcpy(&a, &b, sizeof a); return a; }
inline float __uint_as_float(unsigned x) { return same_bits<float>(x); }
inline unsigned __float_as_uint(float x) { return same_bits<unsigned>(x); }
inline float __int_as_float(int x) { return same_bits<float>(x); }
inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((unsigned long long)a * b >> 32); }
inline int max(int a, int b) { return a > b ? a : b; }
inline int min(int a, int b) { return a < b ? a : b; }
inline float __expf(float x) { return expf(x); }

struct Three { int x, y, z; };
static Three gridDim, blockDim, blockIdx;

const int WARP = 32;
alignas(1024) static unsigned char shared_bytes[256 << 10];
static int shared_size;
static uint4 *const shared = (uint4 *)shared_bytes; // kernels' extern __shared__ is cut out

[[noreturn]] inline void fail(const char *what) {
	fprintf(stderr, "block %d: %s\n", blockIdx.x, what);
	exit(1);
}

// Copies that were begun; `bundles` counts those that were closed.
struct Copy { unsigned to; const void *from; int bytes, there, bundle; };

struct Thread {
	Three id;
	ucontext_t first;
	jmp_buf at;
	bool begun = false, ended = false;
	const long *waits = nullptr; // until *waits is no longer `was`
	long was = 0;
	std::deque<Copy> copies;
	int bundles = 0;
	std::vector<long> commits; // products before each
	long products = 0;
	void *args[3];
	std::vector<char> stack;
};

struct Warp { int arrived = 0; long turn = 0; };

// A product of a warpgroup: its threads' parts, whose threads come to it one by one.
struct Product {
	int cols, threads = 0;
	bool transposed, add, in_shared;
	float *d[128];
	unsigned a[128][4];
	unsigned long long at, right; // descriptors
};
struct Warpgroup { std::deque<Product> products; long whole = 0, made = 0; }; // how many all threads came to, how many are made

static std::vector<Thread> threads;
static std::vector<Warp> warps;
static std::vector<Warpgroup> warpgroups;
static Thread *current;
static jmp_buf scheduler;
static std::mt19937 chance(1);
static int at_barrier;
static long barrier_turn;
#define threadIdx (current->id)

// wait lets others run until *on changes.
inline void wait(const long *on, long was) {
	current->waits = on, current->was = was;
	if (!_setjmp(current->at)) _longjmp(scheduler, 1);
}

inline void __syncthreads() {
	long turn = barrier_turn;
	if (++at_barrier == (int)threads.size()) {
		at_barrier = 0, barrier_turn++;
		return;
	}
	wait(&barrier_turn, turn);
}

inline int __syncthreads_or(int x) {
	static std::vector<int> any; // by barrier
	long turn = barrier_turn;
	any.resize(turn + 1);
	any[turn] |= x;
	__syncthreads();
	return any[turn];
}

// together calls f for a warp, once all its threads are here: the last one does.
template <class F> void together(F f, void *a = nullptr, void *b = nullptr, void *c = nullptr) {
	int number = current - threads.data();
	Warp &w = warps[number / WARP];
	current->args[0] = a, current->args[1] = b, current->args[2] = c;
	long turn = w.turn;
	if (++w.arrived == WARP) {
		f(&threads[number / WARP * WARP]);
		w.arrived = 0, w.turn++;
		return;
	}
	wait(&w.turn, turn);
}

inline void __syncwarp() { together([](Thread *) {}); }
template <class T> T __shfl_xor_sync(unsigned, T x, int by) {
	T y;
	together([by](Thread *t) { for (int i = 0; i < WARP; i++) *(T *)t[i].args[1] = *(T *)t[i ^ by].args[0]; }, &x, &y);
	return y;
}

inline int __all_sync(unsigned, int x) {
	for (int d = 1; d < WARP; d *= 2) x = (x != 0) & (__shfl_xor_sync(~0u, x, d) != 0);
	return x;
}
inline int __any_sync(unsigned, int x) { return !__all_sync(~0u, !x); }
template <class T> T __shfl_sync(unsigned, T x, int from) {
	T y;
	together([from](Thread *t) { for (int i = 0; i < WARP; i++) *(T *)t[i].args[1] = *(T *)t[from].args[0]; }, &x, &y);
	return y;
}

// What of a kernel's source is PTX, by name.

inline unsigned shared_at(const void *p) { return (unsigned)((const unsigned char *)p - shared_bytes); }
inline unsigned char *shared_bytes_at(unsigned at, int bytes) {
	if (at % bytes || at + bytes > (unsigned)shared_size) fail("an address of shared memory is out of bounds or not aligned");
	return shared_bytes + at;
}

// in_memory reports whether the bytes lie in one piece of the card's memory.
bool in_memory(const void *p, int bytes);

inline void make(const Copy &c) {
	unsigned char *to = shared_bytes_at(c.to, c.bytes);
	if (!c.there) memset(to, 0, c.bytes);
	else memcpy(to, c.from, c.bytes);
}
template <int BYTES> void copy(unsigned to, const void *from, bool there) {
	if (there && (!in_memory(from, BYTES) || (uintptr_t)from % BYTES)) fail("a copy from outside the card's memory, or not aligned");
	Copy c = {to, from, BYTES, there, current->bundles};
	if (chance() % 2) make(c);
	else current->copies.push_back(c);
}
inline void copy_near(unsigned to, const void *from, bool there) { copy<16>(to, from, there); }
inline void settle(int before) {
	for (; !current->copies.empty() && current->copies.front().bundle < before; current->copies.pop_front()) make(current->copies.front());
}
inline void arrived() { settle(current->bundles + 1); }
inline void bundle() { current->bundles++; }
template <int N> void but() { settle(current->bundles - N); }

template <bool TRANSPOSED> void load_matrices(unsigned (&r)[4], unsigned at) {
	together([](Thread *t) {
		for (int m = 0; m < 4; m++)
			for (int i = 0; i < WARP; i++) {
				unsigned short two[2];
				for (int j = 0; j < 2; j++) {
					int row = TRANSPOSED ? i % 4 * 2 + j : i / 4, col = TRANSPOSED ? i / 4 : i % 4 * 2 + j;
					memcpy(&two[j], shared_bytes_at(*(unsigned *)t[m * 8 + row].args[1], 16) + col * 2, 2);
				}
				((unsigned *)t[i].args[0])[m] = two[0] | (unsigned)two[1] << 16;
			}
	}, r, &at);
}
inline void matrices(unsigned (&r)[4], unsigned at) { load_matrices<false>(r, at); }
inline void matrices_t(unsigned (&r)[4], unsigned at) { load_matrices<true>(r, at); }

// c += a·b, a 16 rows and b 8 columns of 8 words of PER terms, of(word, term) the value.
template <int PER, class F> void multiply(float (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1, F of) {
	unsigned b[2] = {b0, b1};
	together([of](Thread *t) {
		for (int row = 0; row < 16; row++)
			for (int col = 0; col < 8; col++) {
				float &to = ((float *)t[row % 8 * 4 + col / 2].args[0])[row / 8 * 2 + col % 2];
				for (int word = 0; word < 8; word++)
					for (int i = 0; i < PER; i++) {
						unsigned l = ((unsigned *)t[row % 8 * 4 + word % 4].args[1])[row / 8 + word / 4 * 2];
						unsigned r = ((unsigned *)t[col * 4 + word % 4].args[2])[word / 4];
						to += of(l, i) * of(r, i);
					}
			}
	}, c, (void *)a, b);
}
inline void mma(float (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
	multiply<2>(c, a, b0, b1, [](unsigned w, int i) { return __uint_as_float(i ? w & 0xffff0000u : w << 16); });
}
inline void mma_tf32(float (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
	multiply<1>(c, a, b0, b1, [](unsigned w, int) { return __uint_as_float(w & ~0x1fffu); });
}

// A value that a descriptor's operand has: across is its row or column, k its place in the sum. The
// hardware mixes bits 7 to 9 of an address into bits 4 to 6.
inline float operand_at(unsigned long long desc, bool transposed, int across, int k) {
	unsigned at = (desc & 0x3fff) << 4, wide = (desc >> 16 & 0x3fff) << 4, stride = (desc >> 32 & 0x3fff) << 4;
	if (desc >> 62 != 1) fail("a descriptor of another layout");
	at += transposed ? across / 64 * wide + across % 64 * 2 + k / 8 * stride + k % 8 * 128 : across / 8 * stride + across % 8 * 128 + k * 2;
	unsigned short x;
	memcpy(&x, shared_bytes_at(at ^ (at >> 7 & 7) << 4, 2), 2);
	return __uint_as_float((unsigned)x << 16);
}
inline void make(const Product &p) {
	for (int row = 0; row < 64; row++) {
		float a[16];
		for (int k = 0; k < 16; k++) {
			unsigned w = p.a[row / 16 * 32 + row % 8 * 4 + k / 2 % 4][row % 16 / 8 + k / 8 * 2];
			a[k] = p.in_shared ? operand_at(p.at, false, row, k) : __uint_as_float(k % 2 ? w & 0xffff0000u : w << 16);
		}
		for (int col = 0; col < p.cols; col++) {
			float &to = p.d[row / 16 * 32 + row % 8 * 4 + col % 8 / 2][col / 8 * 4 + row % 16 / 8 * 2 + col % 2];
			if (!p.add) to = 0;
			for (int k = 0; k < 16; k++) to += a[k] * operand_at(p.right, p.transposed, col, k);
		}
	}
}
inline void make_products(Warpgroup &g, long until) {
	for (; g.made < until; g.made++) make(g.products[g.made]);
}

// A product is made when the last thread comes to it, or as late as it may be.
inline void multiply_all(int cols, float *d, const unsigned *a, unsigned long long at, unsigned long long right, bool transposed, int add) {
	int number = current - threads.data();
	Warpgroup &g = warpgroups[number / 128];
	long i = current->products++;
	if (i == (long)g.products.size()) {
		g.products.push_back({});
		Product &p = g.products.back();
		p.cols = cols, p.transposed = transposed, p.add = add, p.in_shared = !a, p.at = at, p.right = right;
	}
	Product &p = g.products[i];
	if (p.cols != cols || p.at != at || p.right != right || p.add != (add != 0)) fail("threads of a warpgroup make different products");
	p.d[number % 128] = d;
	if (a) memcpy(p.a[number % 128], a, 16);
	if (++p.threads == 128) {
		g.whole++;
		if (chance() % 2) make_products(g, g.whole);
	}
}
template <bool TRANS, int N> void wgmma(float (&d)[N][4], const unsigned (&a)[4], unsigned long long b, int add) { multiply_all(8 * N, d[0], a, 0, b, TRANS, add); }
template <bool TRANS, int N> void wgmma(float (&d)[N][4], unsigned long long a, unsigned long long b, int add) { multiply_all(8 * N, d[0], nullptr, a, b, TRANS, add); }
inline void publish() {}
inline void begin() {}
inline void commit() { current->commits.push_back(current->products); }
template <int N> void finish() {
	Warpgroup &g = warpgroups[(current - threads.data()) / 128];
	int n = (int)current->commits.size() - N;
	if (n <= 0) return;
	while (g.whole < current->commits[n - 1]) wait(&g.whole, g.whole);
	make_products(g, current->commits[n - 1]);
}
template <int N> void done(float (&)[N][4]) {}
template <int N> void held(const unsigned (&)[N][4]) {}
inline void pin(const float (&)[4], unsigned, int) {}

inline unsigned tf32(unsigned x) { return (x + 0x1000) & ~0x1fffu; }
inline unsigned word(unsigned at) { return *(unsigned *)shared_bytes_at(at, 4); }
inline float exp_2(float x) { return exp2f(x); }
inline unsigned short bf16_bits(float x) {
	unsigned u = __float_as_uint(x);
	return x != x ? 0x7fff : (u + 0x7fff + (u >> 16 & 1)) >> 16;
}
inline unsigned bf16x2(float first, float second) { return bf16_bits(first) | (unsigned)bf16_bits(second) << 16; }

// The card's memory and the launch, as the test writes them to a file: pieces (address,
// bytes, content), grid, block, shared memory, arguments in slots of 128 bytes.

struct Piece { uint64_t at, bytes; };
static std::vector<Piece> pieces;
static unsigned char slots[32][128];

bool in_memory(const void *p, int bytes) {
	uint64_t at = (uint64_t)p;
	for (const Piece &q : pieces)
		if (at >= q.at && at + bytes <= q.at + q.bytes) return true;
	return false;
}

// Kernels of the program by name; f calls one with the slots.
struct Kernel { const char *name; void (*f)(); };
static std::vector<Kernel> kernels;
struct Listed { Listed(const char *name, void (*f)()) { kernels.push_back({name, f}); } };
static void (*kernel)();

static void enter() {
	kernel();
	current->ended = true;
	_longjmp(scheduler, 1);
}

static void run_block() {
	memset(shared_bytes, 0xff, sizeof shared_bytes);
	int n = blockDim.x;
	if (n % WARP) fail("a block that is not of whole warps");
	warps.assign(n / WARP, {});
	warpgroups.assign(n / 128, {});
	at_barrier = 0;
	for (int i = 0; i < n; i++) {
		Thread &t = threads[i];
		t.id = {i, 0, 0}, t.begun = t.ended = false, t.waits = nullptr, t.copies.clear(), t.bundles = 0, t.commits.clear(), t.products = 0;
	}
	std::vector<int> left(n);
	for (int i = 0; i < n; i++) left[i] = i;
	while (!left.empty()) {
		bool ran = false;
		for (size_t k = 0, from = chance() % left.size(); k < left.size();) {
			size_t i = (from + k) % left.size();
			Thread &t = threads[left[i]];
			if (t.waits && *t.waits == t.was) {
				k++;
				continue;
			}
			t.waits = nullptr, ran = true, current = &t;
			if (!_setjmp(scheduler)) {
				if (t.begun) _longjmp(t.at, 1);
				t.begun = true;
				getcontext(&t.first);
				t.first.uc_stack.ss_sp = t.stack.data(), t.first.uc_stack.ss_size = t.stack.size(), t.first.uc_link = nullptr;
				makecontext(&t.first, enter, 0);
				setcontext(&t.first);
			}
			if (t.ended) left[i] = left.back(), left.pop_back();
			else k++;
		}
		if (!ran && !left.empty()) fail("threads wait for each other for ever");
	}
	for (int i = shared_size; i < (int)sizeof shared_bytes; i++)
		if (shared_bytes[i] != 0xff) fail("a write behind the shared memory that was asked for");
}

int main(int, char **argv) {
	FILE *f = fopen(argv[1], "r+b");
	for (const Kernel &k : kernels)
		if (!strcmp(k.name, argv[2])) kernel = k.f;
	if (!kernel) fail("no such kernel");
	uint64_t n;
	auto get = [&](void *to, size_t bytes) { if (fread(to, 1, bytes, f) != bytes) fail("the file is short"); };
	get(&n, 8);
	pieces.resize(n);
	std::vector<long> content(n);
	for (size_t i = 0; i < n; i++) {
		get(&pieces[i], 16);
		uint64_t page = pieces[i].at & ~4095ull, end = (pieces[i].at + pieces[i].bytes + 4095) & ~4095ull;
		if (mmap((void *)page, end - page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED) fail("no memory");
		content[i] = ftell(f);
		fseek(f, pieces[i].bytes, SEEK_CUR);
	}
	for (size_t i = 0; i < n; i++) fseek(f, content[i], SEEK_SET), get((void *)pieces[i].at, pieces[i].bytes);
	int sizes[7];
	get(sizes, sizeof sizes);
	gridDim = {sizes[0], sizes[1], sizes[2]}, blockDim = {sizes[3], sizes[4], sizes[5]}, shared_size = sizes[6];
	get(slots, sizeof slots);
	threads.resize(blockDim.x);
	for (Thread &t : threads) t.stack.resize(64 << 10);
	for (blockIdx.z = 0; blockIdx.z < gridDim.z; blockIdx.z++)
		for (blockIdx.y = 0; blockIdx.y < gridDim.y; blockIdx.y++)
			for (blockIdx.x = 0; blockIdx.x < gridDim.x; blockIdx.x++) run_block();
	for (size_t i = 0; i < n; i++) { // in the order of their addresses
		uint64_t end = pieces[i].at + pieces[i].bytes, till = (end + 4095) & ~4095ull;
		if (i + 1 < n && pieces[i + 1].at < till) till = pieces[i + 1].at;
		for (; end < till; end++)
			if (*(char *)end) fail("a write outside the card's memory");
		fseek(f, content[i], SEEK_SET);
		if (fwrite((void *)pieces[i].at, 1, pieces[i].bytes, f) != pieces[i].bytes) fail("cannot write");
	}
	return fclose(f);
}
