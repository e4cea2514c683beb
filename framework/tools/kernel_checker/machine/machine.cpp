// Runs a kernel: blocks one after the other, and in a block its warps in turn. A warp runs until all
// its threads have returned or wait for the block.
#include "running.h"
#include <algorithm>
#include <cstring>
#include <mutex>

Launch launch;
Stacks stacks;
std::vector<Thread> threads;
std::vector<Warp> warps;
Thread* running;
const char* module_start;

extern "C" {
KernelBuiltins kernel_builtins;
char kernel_dynamic_shared[232448] __attribute__((aligned(1024)));
}

namespace {

Context scheduler;
unsigned random_state;
int met_predicates;  // for how many threads a barrier's predicate held

unsigned random_below(unsigned n) {
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 8) % n;
}

// Return 0 ... n - 1 in the order of the launch.
const std::vector<int>& in_order(std::vector<int>& numbers, int n) {
    bool fresh = (int)numbers.size() != n;
    numbers.resize(n);
    if (fresh || launch.options.order != MIXED)
        for (int i = 0; i < n; i++) numbers[i] = launch.options.order == FALLING ? n - 1 - i : i;
    if (launch.options.order == MIXED)
        for (int i = n - 1; i > 0; i--) std::swap(numbers[i], numbers[random_below(i + 1)]);
    return numbers;
}

void leave() {
    settle();
    kernel_switch(&running->context, &scheduler);
}

void body() {
    launch.kernel->call(launch.arguments);
    running->wait = RETURNED;
    leave();
    abort();  // unreachable: a finished fiber is never resumed
}

void enter(Thread& thread) {
    running = &thread;
    kernel_builtins.thread = thread.index;
    launch.steps = 0;
    if (thread.wait == NEW) {
        thread.stack = stacks.free.back();
        stacks.free.pop_back();
        prepare(&thread.context, stacks.start + thread.stack * STACK, body);
    }
    thread.wait = READY;
    kernel_switch(&scheduler, &thread.context);
    if (thread.wait == RETURNED) stacks.free.push_back(thread.stack);
    running = nullptr;
}

void wait(Wait what, const char* place, unsigned mask = 0) {
    running->wait = what, running->place = place, running->mask = mask;
    leave();
}

Finding finding_at(FindingKind kind, const Thread& thread, const Thread* other) {
    Finding finding{};
    finding.kind = kind, finding.array = -3, finding.at = thread.place;
    finding.block = finding.other_block = launch.block, finding.thread = thread.number;
    finding.other_thread = other ? other->number : -1;
    if (other && other->wait != RETURNED) finding.other_at = other->place;
    return finding;
}

void forget_meetings() {
    for (Warp& warp : warps) warp.meetings.clear(), warp.count = 0;
}

// Let lanes go on that have all come to the same exchange; returns whether there were any.
bool release_lanes(int first, int stop, Warp& warp) {
    bool released = false;
    for (int i = first; i < stop; i++) {
        Thread& thread = threads[i];
        if (thread.wait != FOR_WARP) continue;
        bool all = true;
        for (int k = first; k < stop && all; k++)
            if (thread.mask >> (k - first) & 1) {
                Thread& other = threads[k];
                if (other.wait == RETURNED)
                    report(finding_at(LANE, thread, &other));
                else
                    all = other.wait == FOR_WARP && other.mask == thread.mask;
            }
        if (!all) continue;
        warp.meetings.push_back(thread.mask);
        warp.count++;
        unsigned mask = thread.mask;
        for (int k = first; k < stop; k++)
            if (mask >> (k - first) & 1 && threads[k].wait == FOR_WARP) {
                memcpy(threads[k].seen, threads[k].value, VALUE);
                threads[k].wait = READY;
            }
        released = true;
    }
    return released;
}

void run_warp(int number) {
    static std::vector<int> order;
    int first = number * 32, stop = std::min(first + 32, launch.threads);
    do {
        in_order(order, stop - first);
        for (int lane : order) {
            Thread& thread = threads[first + lane];
            if (thread.wait <= READY) enter(thread);
            if (launch.abandoned) return;
        }
    } while (release_lanes(first, stop, warps[number]));
}

// Let the block's threads go on if all wait for it; returns whether they do.
bool release_block() {
    Thread *waits = nullptr, *other = nullptr, *elsewhere = nullptr;
    met_predicates = 0;
    for (Thread& thread : threads) {
        if (thread.wait != FOR_BLOCK) {
            if (thread.wait == FOR_WARP || !other) other = &thread;
            continue;
        }
        if (!waits) waits = &thread;
        if (thread.place != waits->place) elsewhere = &thread;
        met_predicates += thread.predicate != 0;
    }
    bool stuck = other && other->wait == FOR_WARP;
    if (stuck) {
        report(waits ? finding_at(BARRIER, *waits, other) : finding_at(LANE, *other, nullptr));
        launch.abandoned = true;
        return false;
    }
    if (!waits) return false;  // all have returned
    if (other || elsewhere) report(finding_at(BARRIER, *waits, elsewhere ? elsewhere : other));
    for (Thread& thread : threads)
        if (thread.wait == FOR_BLOCK) thread.wait = READY;
    launch.interval++;
    forget_meetings();
    return true;
}

void run_block() {
    static std::vector<int> order;
    const uint3& size = kernel_builtins.block_size;
    for (int i = 0; i < launch.threads; i++) {
        Thread& thread = threads[i];
        thread.wait = NEW, thread.number = i, thread.warp = &warps[i / 32];
        thread.index = {i % size.x, i / size.x % size.y, i / size.x / size.y};
    }
    forget_meetings();
    clear_shared();
    do {
        in_order(order, warps.size());
        for (int number : order) {
            run_warp(number);
            if (launch.abandoned) return;
        }
    } while (release_block());
}

}  // namespace

void report(Finding finding) {
    for (const Finding& known : launch.findings)
        if (known.kind == finding.kind && known.at == finding.at) return;
    launch.findings.push_back(finding);
}

void abandon() {
    launch.abandoned = true;
    kernel_switch(&running->context, &scheduler);
    abort();
}

extern "C" {

int kernel_barrier(int predicate) {
    running->predicate = predicate;
    wait(FOR_BLOCK, (const char*)__builtin_return_address(0));
    return met_predicates;
}

void kernel_meet(const void* value, int size, unsigned mask) {
    if (!(mask >> running->number % 32 & 1)) {  // a lane that does not name itself waits for ever
        running->place = (const char*)__builtin_return_address(0);
        report(finding_at(LANE, *running, running));
        abandon();
    }
    memcpy(running->value, value, size);
    wait(FOR_WARP, (const char*)__builtin_return_address(0), mask);
}

void kernel_take(void* to, int size, int lane, unsigned mask) {
    int number = running->number / 32 * 32 + (lane & 31);
    bool takes_part = mask >> (lane & 31) & 1 && number < launch.threads;
    if (!takes_part) {
        Finding finding = finding_at(LANE, *running, nullptr);
        finding.other_thread = number;
        report(finding);
    }
    memcpy(to, takes_part ? threads[number].seen : running->seen, size);
}

int kernel_launch(
    const KernelEntry* kernel, void** arguments, const unsigned dimensions[6],
    unsigned long dynamic_shared, const CheckedArray* arrays, int count,
    const LaunchOptions* options, Finding* findings, int room) {
    static std::mutex one_at_a_time;
    std::lock_guard<std::mutex> guard(one_at_a_time);
    const unsigned* d = dimensions;
    launch.kernel = kernel, launch.arguments = arguments, launch.options = *options;
    launch.threads = d[3] * d[4] * d[5];
    launch.findings.clear(), launch.abandoned = false;
    launch.block_starts.clear(), launch.block_numbers.clear();
    random_state = options->seed;
    module_start = (const char*)kernel->call;
    kernel_builtins.grid_size = {d[0], d[1], d[2]};
    kernel_builtins.block_size = {d[3], d[4], d[5]};
    threads.resize(launch.threads);
    warps.resize((launch.threads + 31) / 32);
    prepare_memory(arrays, count, dynamic_shared);
    launch.start = launch.interval + 1;
    std::vector<int> order;
    for (int block : in_order(order, d[0] * d[1] * d[2])) {
        launch.block = block;
        kernel_builtins.block = {block % d[0], block / d[0] % d[1], block / d[0] / d[1]};
        launch.block_start = ++launch.interval;
        launch.block_starts.push_back(launch.block_start);
        launch.block_numbers.push_back(block);
        stacks.prepare();
        run_block();
        if (launch.abandoned) break;
    }
    int n = std::min<int>(launch.findings.size(), room);
    std::copy(launch.findings.begin(), launch.findings.begin() + n, findings);
    return n;
}
}
