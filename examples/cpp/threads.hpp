// Spreads work on a range over threads.

#pragma once

#include <cstddef>
#include <exception>
#include <thread>
#include <vector>

// Cuts 0..count into one range per thread and calls job(first, last) for each range that is not empty. A job that
// writes only what belongs to its range gives the same bits for any number of threads.
template <class Job>
void in_ranges(std::size_t threads, std::size_t count, const Job &job) {
    std::vector<std::exception_ptr> failures(threads);
    const auto run = [&](std::size_t t) {
        const std::size_t first = count * t / threads, last = count * (t + 1) / threads;
        try {
            if (first < last) {
                job(first, last);
            }
        } catch (...) {
            failures[t] = std::current_exception();
        }
    };
    std::vector<std::thread> others;
    for (std::size_t t = 1; t < threads; t++) {
        others.emplace_back(run, t);
    }
    run(0);
    for (std::thread &other : others) {
        other.join();
    }
    for (const std::exception_ptr &failure : failures) {
        if (failure) {
            std::rethrow_exception(failure);
        }
    }
}
