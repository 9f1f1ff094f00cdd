// SplitMix64, the generator for the split, the initial weights and the order of the texts. The Rust example uses the
// same one, so both make the same split.

#pragma once

#include <cstdint>
#include <utility>
#include <vector>

class SplitMix64 {
public:
    // Each use of a seed has a stream of its own: if one use draws more numbers, the others still draw the same.
    SplitMix64(std::uint64_t seed, std::uint64_t stream) : state_(seed) { state_ = next() ^ stream; }

    std::uint64_t next() {
        state_ += 0x9e37'79b9'7f4a'7c15;
        std::uint64_t bits = state_;
        bits = (bits ^ (bits >> 30)) * 0xbf58'476d'1ce4'e5b9;
        bits = (bits ^ (bits >> 27)) * 0x94d0'49bb'1331'11eb;
        return bits ^ (bits >> 31);
    }

    // Uniform on [-1, 1), from the 24 highest bits.
    float symmetric() { return static_cast<float>(next() >> 40) / 8'388'608.0f - 1.0f; }

    // Fisher-Yates from the last element to the second. The bias of the modulo is below 2^-40 here.
    template <class T>
    void shuffle(std::vector<T> &items) {
        for (std::size_t count = items.size(); count > 1; count--) {
            std::swap(items[count - 1], items[next() % count]);
        }
    }

private:
    std::uint64_t state_;
};
