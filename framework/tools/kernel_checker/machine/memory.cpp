// Checks each access to memory. Kernels are compiled with -fsanitize=thread, but linked to the hooks
// at the end of this file in place of its run-time library. For each number of an array, a shadow
// knows who wrote it last and who read it last; so races are found in any order of the threads.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include "running.h"

namespace {

struct Mark {  // of an access
    uint32_t interval;
    int32_t place;  // in the code, from module_start
    uint16_t thread : 10, atomic : 1;
    uint16_t threads : 1, warps : 1, blocks : 1;  // several have read it in this interval, or launch
    uint16_t meeting;                             // meetings of the warp before it
};

struct Shadow {
    Mark written, read;
};

struct Range : CheckedArray {
    int number, shift;  // 2^shift bytes have a shadow: a number, or a part of it
    Shadow* shadow;
};

const int STATIC = -1, DYNAMIC = -2, NONE = -3;
const long ENDLESS_STEPS = 100'000'000;

std::vector<Range> ranges;
Range shared[2];
Range* last_used[256];  // by place in the code, which mostly uses the same array

// Memory for shadows. It is used again without being cleared: old marks have old intervals.
struct Chunk {
    char* start;
    size_t bytes, used;
};
std::vector<Chunk> chunks;

Shadow* shadows(size_t count) {
    size_t bytes = count * sizeof(Shadow);
    for (Chunk& chunk : chunks)
        if (chunk.used + bytes <= chunk.bytes) {
            chunk.used += bytes;
            return (Shadow*)(chunk.start + chunk.used - bytes);
        }
    size_t room = std::max(bytes, (size_t)64 << 20);
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    char* start = (char*)mmap(nullptr, room, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (start == MAP_FAILED) abort();
    chunks.push_back({start, room, bytes});
    return (Shadow*)start;
}

Range made(const CheckedArray& array, int number) {
    Range range;
    (CheckedArray&)range = array;
    range.number = number, range.shift = __builtin_ctz(array.item);
    range.shadow = launch.options.check ? shadows((array.bytes >> range.shift) + 1) : nullptr;
    return range;
}

bool within(const Range& range, const char* at) { return (size_t)(at - range.start) < range.bytes; }

Range* find_range(const char* at) {
    for (Range& range : ranges)
        if (within(range, at)) return &range;
    for (Range& range : shared)
        if (within(range, at)) return &range;
    CheckedArray found;
    if (!launch.options.find || !launch.options.find(at, &found)) return nullptr;
    ranges.push_back(made(found, ranges.size()));
    std::fill(last_used, last_used + 256, nullptr);  // ranges may have moved
    return &ranges.back();
}

inline Range* range_of(const char* at, const char* place) {
    Range*& last = last_used[((uintptr_t)place * 0x9E3779B1u >> 12) % 256];
    if (!last || !within(*last, at)) last = find_range(at);
    return last;
}

bool is_constant(const char* at) {
    return at >= launch.kernel->constants && at < launch.kernel->shared;
}

Finding finding_of(FindingKind kind, const char* at, int size, bool write, const char* place) {
    Finding finding{};
    finding.kind = kind, finding.write = write, finding.size = size, finding.at = place;
    finding.block = launch.block, finding.thread = running->number;
    finding.array = NONE, finding.offset = (long)at;
    unsigned long nearest = 1ul << 40;
    auto look = [&](const Range& range) {
        unsigned long far = at < range.start ? range.start - at : at - range.start;
        if (at >= range.start) far = far < range.bytes ? 0 : far - range.bytes;
        if (far >= nearest) return;
        nearest = far, finding.array = range.number, finding.offset = at - range.start;
    };
    for (Range& range : ranges) look(range);
    if (nearest) nearest = std::min(nearest, 1ul << 20);  // farther from shared memory, it is not meant
    for (Range& range : shared) look(range);
    for (Range& range : ranges) {  // an unsigned index below 0
        long offset = at - range.start, wrapped = offset - ((1l << 32) << range.shift);
        if (wrapped < 0 && wrapped > -(1l << 24)) finding.array = range.number, finding.offset = offset;
    }
    return finding;
}

int block_of(uint32_t interval) {
    auto& starts = launch.block_starts;
    auto after = std::upper_bound(starts.begin(), starts.end(), interval);
    return launch.block_numbers[after - starts.begin() - 1];
}

// Whether all lanes of the running thread's warp that `mark` may mean have met this thread since.
bool met(const Mark& mark) {
    if (mark.thread / 32 != running->number / 32) return false;
    unsigned both = 1u << mark.thread % 32 | 1u << running->number % 32;
    auto& meetings = running->warp->meetings;
    for (size_t i = mark.meeting; i < meetings.size(); i++)
        if ((meetings[i] & both) == both) return true;
    return false;
}

bool ordered(const Mark& mark) {
    if (mark.interval < launch.block_start) return false;
    return mark.interval < launch.interval || mark.thread == running->number || met(mark);
}

// The interval from which on marks mean something: shared memory is new in each block.
uint32_t start_of(const Range& range) {
    return range.number < 0 ? launch.block_start : launch.start;
}

bool read_by_another(const Mark& mark) {
    if (mark.blocks) return true;
    if (mark.interval == launch.interval && (mark.warps || (mark.threads && !met(mark)))) return true;
    return !ordered(mark);
}

// A number that two threads write: it is a race if the second writes another value.
struct {
    bool waits;
    const char* at;
    int size;
    char before[16];
    Finding finding;
} second;

void race(const Mark& mark, bool other_write, Finding finding, bool settled) {
    finding.other_write = other_write, finding.atomic = mark.atomic;
    finding.other_thread = mark.thread, finding.other_block = block_of(mark.interval);
    finding.other_at = module_start + mark.place;
    if (mark.interval >= launch.block_start && mark.blocks) finding.other_block = -1;
    if (!other_write && mark.thread == running->number) finding.other_thread = -1;  // one of several
    if (settled) return report(finding);
    second.waits = true, second.finding = finding;
    memcpy(second.before, second.at, second.size);
}

void note_read(Mark& r, const Mark& now, uint32_t start) {
    uint16_t threads = 0, warps = 0, blocks = 0;
    if (r.interval >= start) {
        blocks = r.blocks || r.interval < launch.block_start;
        if (r.interval == launch.interval) {
            bool other = r.thread != now.thread;
            warps = r.warps || r.thread / 32 != now.thread / 32;
            threads = (r.threads || other) && !(other ? met(r) : r.meeting < now.meeting);
        }
    }
    r = now;
    r.threads = threads, r.warps = warps, r.blocks = blocks;
}

inline Mark mark_of(const char* place, bool atomic) {
    Mark mark{};
    mark.interval = launch.interval, mark.place = place - module_start;
    mark.thread = running->number, mark.atomic = atomic, mark.meeting = running->warp->count;
    return mark;
}

// Whether a read may be a race, and whether all that it tells is known: the usual, in short.
inline bool may_race(const Range& range, const Mark& written) {
    if (written.interval == launch.interval) return written.thread != running->number;
    return written.interval < launch.block_start && written.interval >= start_of(range);
}

inline bool seen_before(const Mark& read) {  // nothing more is to be noted
    if (read.interval != launch.interval) return false;
    if (read.warps) return true;
    if (read.meeting != running->warp->count) return false;
    return read.thread == running->number ||
        (read.threads && read.thread / 32 == running->number / 32);
}

// What happens where there is no array, or where it ends.
void outside(const char* at, int size, bool write, const char* place) {
    report(finding_of(OUTSIDE, at, size, write, place));
    abandon();
}

void check_read(Range& range, Shadow& s, const Mark& now, bool unset, const char* at, int size) {
    const char* place = module_start + now.place;
    if (unset) report(finding_of(UNSET, at, size, false, place));
    const Mark& w = s.written;
    if (w.interval >= start_of(range) && !ordered(w))
        race(w, true, finding_of(RACE, at, size, false, place), true);
    note_read(s.read, now, start_of(range));
}

void check_write(Range& range, Shadow& s, const Mark& now, bool unset, const char* at, int size) {
    const char* place = module_start + now.place;
    const Mark &w = s.written, &r = s.read;
    if (unset && now.atomic) report(finding_of(UNSET, at, size, true, place));
    if (w.interval >= start_of(range) && !ordered(w) && !(now.atomic && w.atomic)) {
        second.at = at, second.size = std::min(size, 16);
        race(w, true, finding_of(RACE, at, size, true, place), now.atomic);
    }
    if (r.interval >= start_of(range) && read_by_another(r))
        race(r, false, finding_of(RACE, at, size, true, place), true);
}

template <int size, bool write> void access(const char* at, const char* place, bool atomic = false) {
    if (second.waits) settle();
    if (stacks.has(at) || !running) return;
    Range* range = range_of(at, place);
    if (!range && !write && is_constant(at)) return;
    if (!range || at + size > range->start + range->bytes) outside(at, size, write, place);
    if ((uintptr_t)at % size) {
        report(finding_of(MISALIGNED, at, size, write, place));
        abandon();
    }
    if (!launch.options.check) return;
    if (++launch.steps > ENDLESS_STEPS) {
        report(finding_of(ENDLESS, at, size, write, place));
        abandon();
    }
    if (write && !range->writable) report(finding_of(READ_ONLY, at, size, write, place));
    size_t first = (at - range->start) >> range->shift;
    size_t last = (at + size - 1 - range->start) >> range->shift;
    for (size_t i = first; i <= last; i++) {
        Shadow& s = range->shadow[i];
        bool unset = range->unset ? range->unset[i]
            : range->number < 0 && s.written.interval < launch.block_start;
        if (!write) {
            if (unset || may_race(*range, s.written) || !seen_before(s.read))
                check_read(*range, s, mark_of(place, false), unset, at, size);
            continue;
        }
        if (s.written.interval >= start_of(*range) || s.read.interval >= start_of(*range) || atomic)
            check_write(*range, s, mark_of(place, atomic), unset, at, size);
        s.written = mark_of(place, atomic);
        if (range->unset) range->unset[i] = 0;
    }
}

void undefined(const char* what, const char* place) {
    Finding finding{};
    finding.kind = UNDEFINED, finding.at = place, finding.array = NONE;
    finding.block = launch.block, finding.thread = running ? running->number : -1;
    snprintf(finding.text, sizeof finding.text, "%s", what);
    report(finding);
}

}  // namespace

void settle() {
    if (!second.waits) return;
    second.waits = false;
    if (memcmp(second.at, second.before, second.size)) report(second.finding);
}

void prepare_memory(const CheckedArray* arrays, int count, unsigned long dynamic_shared) {
    if (launch.interval > 3'000'000'000u) {  // before the numbers start again
        for (Chunk& chunk : chunks) munmap(chunk.start, chunk.bytes);
        chunks.clear();
        launch.interval = 0;
    }
    for (Chunk& chunk : chunks) chunk.used = 0;
    std::fill(last_used, last_used + 256, nullptr);
    ranges.clear();
    for (int i = 0; i < count; i++) ranges.push_back(made(arrays[i], i));
    const KernelEntry& kernel = *launch.kernel;
    unsigned long size = kernel.shared_end - kernel.shared;
    shared[0] = made({kernel.shared, size, kernel.shared_item, 1, nullptr}, STATIC);
    shared[1] = made({kernel_dynamic_shared, dynamic_shared, kernel.shared_item, 1, nullptr}, DYNAMIC);
}

void clear_shared() {
    for (Range& range : shared) memset(range.start, 0xff, range.bytes);
}

extern "C" {

void kernel_atomic(const void* at, unsigned size, const void* place) {
    auto change = size == 2 ? access<2, true> : size == 4 ? access<4, true> : access<8, true>;
    change((const char*)at, (const char*)place, true);
}

// --- the hooks of -fsanitize=thread ---
#define PLACE ((const char*)__builtin_return_address(0))
#define HOOKS(n)                                                                  \
    void __tsan_read##n(const char* at) { access<n, false>(at, PLACE); }          \
    void __tsan_write##n(const char* at) { access<n, true>(at, PLACE); }          \
    void __tsan_unaligned_read##n(const char* at) { access<n, false>(at, PLACE); } \
    void __tsan_unaligned_write##n(const char* at) { access<n, true>(at, PLACE); }
HOOKS(1) HOOKS(2) HOOKS(4) HOOKS(8) HOOKS(16)
void __tsan_read_range(const char* at, long n) {
    for (long i = 0; i < n; i++) access<1, false>(at + i, PLACE);
}
void __tsan_write_range(const char* at, long n) {
    for (long i = 0; i < n; i++) access<1, true>(at + i, PLACE);
}
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void*, void*) {}

// --- and of -fsanitize=undefined ---
#define UNDEFINED_HOOK(name, what) \
    void __ubsan_handle_##name(void*) { undefined(what, PLACE); }
UNDEFINED_HOOK(add_overflow, "a sum that its integer type cannot hold")
UNDEFINED_HOOK(sub_overflow, "a difference that its integer type cannot hold")
UNDEFINED_HOOK(mul_overflow, "a product that its integer type cannot hold")
UNDEFINED_HOOK(negate_overflow, "a negation that its integer type cannot hold")
void __ubsan_handle_type_mismatch_v1(const char* data, const char* at) {
    int size = 1 << data[24], writes = data[25] == 1;  // what the type is aligned to; a store
    if (!running || !((uintptr_t)at % size)) return;
    report(finding_of(MISALIGNED, at, size, writes, PLACE));
    abandon();
}
UNDEFINED_HOOK(shift_out_of_bounds, "a shift by more bits than there are, or by less than 0")
void __ubsan_handle_divrem_overflow(void*) {
    undefined("an integer division by zero", PLACE);
    abandon();  // the processor would end the process
}
struct Source { const char* file; unsigned line, column; };
struct Type { unsigned short kind, details; char name[1]; };
struct BadIndex { Source source; const Type *array, *index; };
void __ubsan_handle_out_of_bounds(const BadIndex* bad, long index) {
    char what[64];
    snprintf(what, sizeof what, "the index %ld of an array %s", index, bad->array->name);
    undefined(what, PLACE);
}
}
