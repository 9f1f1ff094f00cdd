// The best dependency trees and their exact marginals through imle's C ABI, and the best trees in straightforward C++.
// theta is [rows][words][words]: element (h, d) is the arc from head h to word d, and (d, d) is the arc from the root.
// The C++ writes the head of each word, where the root is 0 and word d is d + 1. Every function returns the seconds
// that `repeats` calls took, or NaN if imle reports an error.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "imle.h"
#include "shared.hpp"

namespace {

constexpr float NONE = -std::numeric_limits<float>::infinity();

template <typename T>
struct Square {
    std::size_t side;
    std::vector<T> values;

    explicit Square(std::size_t side) : side(side), values(side * side) {}
    T &operator()(std::size_t row, std::size_t column) { return values[row * side + column]; }
};

// The scores of arcs between the nodes 0 (the root) to `words`.
void read(const float *theta, std::size_t words, Square<float> &score) {
    for (std::size_t h = 0; h < words; h++) {
        for (std::size_t d = 0; d < words; d++) score(h + 1, d + 1) = theta[h * words + d];
        score(0, h + 1) = theta[h * words + h];
        score(h + 1, h + 1) = NONE;
    }
}

// Chu, Liu and Edmonds in O(n^2). Every node takes its best head. A cycle becomes a node of its own, and arcs into it
// count with their gain over the arc that they replace. Nodes outside whose head is in the cycle take the new node in
// its place, so that only the new node has to choose.
class Edmonds {
  public:
    explicit Edmonds(std::size_t words)
        : words(words), score(2 * words + 1), enters(2 * words + 1), leaves(2 * words + 1), head(2 * words + 1),
          mark(2 * words + 1), done(2 * words + 1) {}

    void solve(const float *theta, std::uint32_t *heads) {
        read(theta, words, score);
        nodes = words + 1;
        active.clear();
        cycles.clear();
        for (std::size_t node = 0; node < nodes; node++) active.push_back(node), mark[node] = 0, done[node] = node == 0;
        for (std::size_t node = 1; node < nodes; node++) choose(node);
        for (std::size_t start = 1; start <= words; start++) {
            if (std::find(active.begin(), active.end(), start) == active.end()) continue;
            for (std::size_t node = start; !done[node]; node = head[node]) {
                if (mark[node] == start) node = contract(node);
                mark[node] = start;
            }
            for (std::size_t node : active) done[node] |= mark[node] == start;
        }
        for (; nodes > words + 1; nodes--) expand(nodes - 1);
        for (std::size_t d = 0; d < words; d++) heads[d] = std::uint32_t(head[d + 1]);
    }

  private:
    void choose(std::size_t node) {
        float best = NONE;
        for (std::size_t from : active)
            if (from != node && score(from, node) > best) best = score(from, node), head[node] = from;
    }

    std::size_t contract(std::size_t first) {
        std::vector<std::size_t> cycle;
        std::size_t node = first;
        do cycle.push_back(node), node = head[node];
        while (node != first);
        const auto in_cycle = [&](std::size_t a) { return std::find(cycle.begin(), cycle.end(), a) != cycle.end(); };
        active.erase(std::remove_if(active.begin(), active.end(), in_cycle), active.end());
        const std::size_t group = nodes++;
        mark[group] = 0, done[group] = false;
        for (std::size_t other : active) {
            float in = NONE, out = NONE;
            for (std::size_t member : cycle) {
                const float gain = score(other, member) - score(head[member], member);
                if (gain > in) in = gain, enters(other, group) = member;
                if (other != 0 && score(member, other) > out) out = score(member, other), leaves(group, other) = member;
                if (other != 0 && head[other] == member) head[other] = group;
            }
            score(other, group) = in, score(group, other) = out;
        }
        active.push_back(group);
        choose(group);
        cycles.push_back(std::move(cycle));
        return group;
    }

    void expand(std::size_t group) {
        active.erase(std::find(active.begin(), active.end(), group));
        for (std::size_t node : active)
            if (node != 0 && head[node] == group) head[node] = leaves(group, node);
        head[enters(head[group], group)] = head[group];
        active.insert(active.end(), cycles.back().begin(), cycles.back().end());
        cycles.pop_back();
    }

    std::size_t words, nodes = 0;
    Square<float> score;
    Square<std::size_t> enters, leaves; // the member that an arc into a group enters, or that an arc out of it leaves
    std::vector<std::size_t> head, mark, active;
    std::vector<char> done;
    std::vector<std::vector<std::size_t>> cycles;
};

// Eisner in O(n^3), with the choices stored.
class Eisner {
  public:
    explicit Eisner(std::size_t words)
        : words(words), score(words + 1), whole{Square<float>(words + 1), Square<float>(words + 1)}, open(whole),
          split_whole{Square<std::uint32_t>(words + 1), Square<std::uint32_t>(words + 1)}, split_open(words + 1) {}

    void solve(const float *theta, std::uint32_t *heads) {
        read(theta, words, score);
        for (std::size_t node = 0; node <= words; node++) score(node, 0) = NONE;
        for (std::size_t length = 1; length <= words; length++)
            for (std::size_t left = 0; left + length <= words; left++) span(left, left + length);
        write(0, words, RIGHT, true, heads);
    }

  private:
    enum Direction { LEFT, RIGHT };

    // The best arcs and spans between two ends. RIGHT: the left end is the head.
    void span(std::size_t left, std::size_t right) {
        float best = NONE;
        for (std::size_t k = left; k < right; k++) {
            const float sum = whole[RIGHT](left, k) + whole[LEFT](k + 1, right);
            if (sum > best) best = sum, split_open(left, right) = std::uint32_t(k);
        }
        open[LEFT](left, right) = best + score(right, left);
        open[RIGHT](left, right) = best + score(left, right);
        best = NONE;
        for (std::size_t k = left; k < right; k++) {
            const float sum = whole[LEFT](left, k) + open[LEFT](k, right);
            if (sum > best) best = sum, split_whole[LEFT](left, right) = std::uint32_t(k);
        }
        whole[LEFT](left, right) = best;
        best = NONE;
        for (std::size_t k = left + 1; k <= right; k++) {
            const float sum = open[RIGHT](left, k) + whole[RIGHT](k, right);
            if (sum > best) best = sum, split_whole[RIGHT](left, right) = std::uint32_t(k);
        }
        whole[RIGHT](left, right) = best;
    }

    void write(std::size_t left, std::size_t right, Direction direction, bool is_whole, std::uint32_t *heads) {
        if (left == right) return;
        if (is_whole) {
            const std::size_t k = split_whole[direction](left, right);
            write(left, k, direction, direction == LEFT, heads);
            write(k, right, direction, direction == RIGHT, heads);
        } else {
            const std::size_t k = split_open(left, right);
            heads[(direction == LEFT ? left : right) - 1] = std::uint32_t(direction == LEFT ? right : left);
            write(left, k, RIGHT, true, heads);
            write(k + 1, right, LEFT, true, heads);
        }
    }

    std::size_t words;
    Square<float> score;
    Square<float> whole[2], open[2];
    Square<std::uint32_t> split_whole[2], split_open;
};

template <typename Solver>
double solve_all(std::uint32_t rows, std::uint32_t words, const float *theta, std::uint32_t *heads, int repeats) {
    Solver solver(words);
    return seconds(repeats, [&] {
        for (std::size_t b = 0; b < rows; b++) solver.solve(theta + b * words * words, heads + b * words);
    });
}

imle_tree_options options(bool projective) {
    imle_tree_options options;
    imle_tree_options_default(&options);
    options.projective = projective;
    return options;
}

double map(bool projective, std::uint32_t rows, std::uint32_t words, const float *theta, std::uint32_t *indices,
           int repeats) {
    const imle_shape shape = {rows, words * words, words, 1};
    const imle_tree_options trees = options(projective);
    std::vector<float> work(imle_tree_workspace_len(&shape, &trees));
    imle_status status = IMLE_OK;
    const double time = seconds(repeats, [&] {
        status |= imle_tree_map(&shape, nullptr, &trees, theta, 0, nullptr, indices, work.data(), work.size());
    });
    return status == IMLE_OK ? time : NAN;
}

} // namespace

extern "C" {

double cpp_map(std::uint32_t rows, std::uint32_t words, const float *theta, std::uint32_t *heads, int repeats) {
    return solve_all<Edmonds>(rows, words, theta, heads, repeats);
}

double cpp_projective(std::uint32_t rows, std::uint32_t words, const float *theta, std::uint32_t *heads, int repeats) {
    return solve_all<Eisner>(rows, words, theta, heads, repeats);
}

double imle_map(std::uint32_t rows, std::uint32_t words, const float *theta, std::uint32_t *indices, int repeats) {
    return map(false, rows, words, theta, indices, repeats);
}

double imle_projective(std::uint32_t rows, std::uint32_t words, const float *theta, std::uint32_t *indices,
                       int repeats) {
    return map(true, rows, words, theta, indices, repeats);
}

double imle_marginals(std::uint32_t rows, std::uint32_t words, const float *theta, float *mu, int repeats) {
    const imle_shape shape = {rows, words * words, words, 1};
    const imle_tree_options trees = options(false);
    std::vector<float> work(imle_tree_exact_workspace_len(&shape, &trees));
    imle_status status = IMLE_OK;
    const double time = seconds(repeats, [&] {
        status |= imle_tree_marginals(&shape, nullptr, &trees, 1.0F, theta, 0, mu, nullptr, nullptr, work.data(),
                                      work.size());
    });
    return status == IMLE_OK ? time : NAN;
}
}
