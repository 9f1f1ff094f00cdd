// One call of the library for a batch: its sizes, its key, its rows spread over threads, and the blame for bad data.

#ifndef LIBIMLE_BATCH_HPP
#define LIBIMLE_BATCH_HPP

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "arrays.hpp"

namespace libimle {

using floats = input<float>;
using indices = input<std::uint32_t>;

/// Tells if a row has NaN or an infinity. Scores may have -inf, the mask. Of matrices side x side, only the upper left
/// corner of used x used counts.
inline bool has_bad_value(const floats &of, std::size_t row, bool mask, std::size_t side = 1, std::size_t used = 1) {
    for (std::size_t i = 0; i < of.block(); i++) {
        const float value = of.value(row, i);
        const bool counts = i / side % side < used && i % side < used;
        if (counts && !std::isfinite(value) && !(mask && value == -std::numeric_limits<float>::infinity())) {
            return true;
        }
    }
    return false;
}

/// libimle.Key. The numbers of the rows are read when the batch is known; `owner` keeps them alive.
struct key {
    imle::key c;
    array row_ids;
    std::shared_ptr<const void> owner;
};

/// The ones of a state, the samples of a row, and the threads that the rows may be spread over.
struct counts {
    std::uint32_t k, samples, threads;
    std::optional<imle::tree_options> trees = {}; // if states are trees: which ones; their words are k

    /// For a call that ignores samples.
    counts of_rows() const {
        counts one = *this;
        one.samples = 1;
        return one;
    }
};

/// The sizes of a call. Every call is made of rows that do not depend on each other.
class batch {
public:
    batch(sizes leading, std::size_t n, const counts &counts)
        : leading_(std::move(leading)), rows_(product(leading_)), n_(n), counts_(counts) {
        constexpr std::size_t most = std::numeric_limits<std::uint32_t>::max();
        if (n > most || rows_ > most) {
            throw refused("theta", "has " + std::to_string(rows_) + " rows of " + std::to_string(n) +
                                       " scores; both numbers should be below 2^32");
        }
    }

    /// The batch of an array of scores [..., N].
    static batch of(const array &theta, const counts &counts) {
        if (theta.ndim() == 0) {
            throw refused("theta", "is a number, but should be [..., N]");
        }
        const sizes shape = shape_of(theta);
        return batch(sizes(shape.begin(), shape.end() - 1), shape.back(), counts);
    }

    std::size_t rows() const { return rows_; }
    std::size_t n() const { return n_; }
    std::size_t k() const { return counts_.k; }
    std::size_t samples() const { return counts_.samples; }

    imle::shape shape(const part &of) const {
        return imle::shape()
            .rows(static_cast<std::uint32_t>(of.rows))
            .n(static_cast<std::uint32_t>(n_))
            .k(counts_.k)
            .samples(counts_.samples);
    }

    // Inputs of the batch.

    /// [..., N], or [..., length].
    floats per_row(const char *name, const array &array, std::size_t length = 0) const {
        return {name, array, leading_, {length == 0 ? n_ : length}, floats::layout::rows};
    }

    /// [..., S, N], or [..., N] for one gradient that all samples share.
    floats dz(const array &array) const {
        const bool shared = array.ndim() == leading_.size() + 1;
        return {"dz", array, leading_, shared ? sizes{n_} : sizes{samples(), n_}, floats::layout::rows};
    }

    /// [..., S, N].
    floats states(const char *name, const array &array) const {
        return {name, array, leading_, {samples(), n_}, floats::layout::packed};
    }

    /// [..., S].
    floats losses(const array &array) const { return {"losses", array, leading_, {samples()}, floats::layout::packed}; }

    /// [..., S, K], or [..., S] for one-hot states; None if it is not given.
    indices lists(const array &array, bool one_hot) const {
        if (!array.is_valid()) {
            return {};
        }
        const sizes block = one_hot ? sizes{samples()} : sizes{samples(), k()};
        return {"indices", array, leading_, block, indices::layout::packed};
    }

    /// [...], the k or the words of each row, or None if all have the same.
    indices k_row(const array &array) const {
        if (!array.is_valid()) {
            return {};
        }
        indices ks(counts_.trees ? "n_row" : "k_row", array, leading_, {}, indices::layout::packed);
        for (std::size_t row = 0; row < rows_; row++) {
            if (ks.value(row, 0) > k()) {
                throw refused(ks.name(),
                              "is " + std::to_string(ks.value(row, 0)) + in(row) + ", above " +
                                  (counts_.trees ? "words = " : "k = ") + std::to_string(k()),
                              place(row));
            }
        }
        return ks;
    }

    /// The key, with the numbers of the rows if it has any.
    class keys {
    public:
        keys(const batch &batch, const key &key, bool stratified) : key_(key.c) {
            const imle_key &c = key.c.c();
            const std::uint64_t last = std::uint64_t{c.sample0} + batch.samples();
            if (last > 1U << 28) {
                throw refused("key",
                              "has sample0 = " + std::to_string(c.sample0) + "; sample0 + samples may be at most 2^28");
            }
            if (c.strata != 0 && !stratified) {
                throw refused("key", "has strata, which only stratified noise has");
            }
            if (c.strata != 0 && last > c.strata) {
                throw refused("key", "has strata = " + std::to_string(c.strata) + ", fewer than sample0 + samples");
            }
            if (key.row_ids.is_valid()) {
                ids_ = {"key.row_ids", key.row_ids, batch.leading_, {}, input<std::uint64_t>::layout::packed};
            }
        }

        imle::key operator()(const part &of) const {
            imle::key moved = key_;
            if (ids_.given()) {
                moved.row_ids(ids_.blocks(of));
            } else {
                moved.row0(key_.c().row0 + of.begin);
            }
            return moved;
        }

    private:
        imle::key key_;
        input<std::uint64_t> ids_;
    };

    // The call.

    /// The inputs that can hold bad data: floats, where only the scores may be -inf, then k_row and lists of indices.
    struct data {
        std::initializer_list<const floats *> scores, finite;
        const indices *k_row = nullptr, *lists = nullptr;
    };

    /// Calls `call(part, workspace)` for all rows, on as many threads as there are and as are worth it. No call of a
    /// batch needs Python, so its lock should be released.
    template <class Call>
    void run(std::size_t workspace_len, const data &inputs, Call call) const {
        // A thread costs some tens of microseconds, so it gets at least this much work.
        constexpr std::size_t least_work = std::size_t{1} << 14;
        const std::size_t worth = rows_ * samples() * n_ / least_work;
        const std::size_t parts = std::max<std::size_t>(1, std::min({std::size_t{counts_.threads}, rows_, worth}));

        std::vector<std::unique_ptr<float[]>> workspaces(parts);
        for (auto &workspace : workspaces) {
            workspace.reset(new float[workspace_len]);
        }
        std::vector<imle::status> results(parts, imle::status::ok);
        imle::status first = imle::status::ok;
        std::size_t bad_row = 0;
        const auto work = [&](std::size_t i) {
            const std::size_t begin = rows_ * i / parts, end = rows_ * (i + 1) / parts;
            results[i] = call(part{begin, end - begin}, imle::span<float>(workspaces[i].get(), workspace_len));
        };
        std::vector<std::thread> threads;
        threads.reserve(parts - 1);
        for (std::size_t i = 1; i < parts; i++) {
            try {
                threads.emplace_back(work, i);
            } catch (const std::system_error &) { // no more threads
                work(i);
            }
        }
        work(0);
        for (auto &thread : threads) {
            thread.join();
        }
        for (const imle::status result : results) {
            if (first == imle::status::ok) {
                first = result;
            }
        }
        if (first == imle::status::nonfinite || first == imle::status::infeasible) {
            // A batch equals its rows called one by one, so the first bad row is the first that fails alone.
            const imle::span<float> workspace(workspaces[0].get(), workspace_len);
            while (bad_row + 1 < rows_ && call(part{bad_row, 1}, workspace) == imle::status::ok) {
                bad_row++;
            }
        }
        if (first != imle::status::ok) {
            blame(first, bad_row, inputs);
        }
    }

    /// The place of a row among the leading dimensions.
    sizes place(std::size_t row) const {
        sizes place(leading_.size());
        for (std::size_t i = place.size(); i-- > 0;) {
            place[i] = row % leading_[i];
            row /= leading_[i];
        }
        return place;
    }

private:
    // " in row 3", " in row (1, 2)", or nothing if there is but one.
    std::string in(std::size_t row) const {
        const sizes at = place(row);
        return at.empty() ? "" : " in row " + (at.size() == 1 ? std::to_string(at[0]) : text(at));
    }

    // The k or the words of a row.
    std::size_t k_of(std::size_t row, const data &inputs) const {
        return inputs.k_row && inputs.k_row->given() ? inputs.k_row->value(row, 0) : k();
    }

    // Tells if a row has a bad value. Beyond the words of a tree nothing is read.
    bool has_bad(const floats &of, std::size_t row, bool mask, const data &inputs) const {
        const bool of_arcs = counts_.trees && std::string(of.name()) != "losses";
        return of_arcs ? has_bad_value(of, row, mask, k(), k_of(row, inputs)) : has_bad_value(of, row, mask);
    }

    // Throws if the masks of a row leave no state.
    void check_feasible(const floats &scores, std::size_t row, const data &inputs) const {
        const std::size_t needed = k_of(row, inputs);
        if (counts_.trees) {
            const part one{row, 1};
            const auto words = static_cast<std::uint32_t>(needed);
            const imle::tree tree = imle::tree(shape(one), {}, *counts_.trees).n_row({&words, 1});
            std::vector<float> workspace(tree.workspace_len());
            std::uint32_t bad = 1;
            const imle::rows<const float> theta{scores.blocks(one), scores.row_stride()};
            imle::or_throw(tree.find_bad_row(theta, imle::dz::shared({}), bad, workspace));
            if (bad == 0) {
                throw refused(scores.name(), "has masks that leave no tree" + in(row), place(row));
            }
            return;
        }
        std::size_t free = 0;
        for (std::size_t i = 0; i < n_; i++) {
            free += scores.value(row, i) > -std::numeric_limits<float>::infinity();
        }
        if (free < needed) {
            throw refused(scores.name(),
                          "has " + std::to_string(free) + " scores above -inf" + in(row) + ", fewer than k = " +
                              std::to_string(needed),
                          place(row));
        }
    }

    [[noreturn]] void blame(imle::status status, std::size_t row, const data &inputs) const {
        if (status == imle::status::nonfinite) {
            for (const floats *scores : inputs.scores) {
                if (has_bad(*scores, row, true, inputs)) {
                    throw refused(scores->name(), "has NaN or +inf" + in(row), place(row));
                }
            }
            for (const floats *finite : inputs.finite) {
                if (has_bad(*finite, row, false, inputs)) {
                    throw refused(finite->name(), "has NaN or an infinity" + in(row), place(row));
                }
            }
        }
        if (status == imle::status::infeasible) {
            for (const floats *scores : inputs.scores) {
                check_feasible(*scores, row, inputs);
            }
            if (inputs.lists && inputs.lists->given()) {
                const std::string reason =
                    counts_.trees ? "are no tree" + in(row) +
                                        ": ascending positions head * words + word, an arc into each word, no cycle, "
                                        "not masked, and 4294967295 behind the row's words"
                                  : "are no state" + in(row) +
                                        ": ascending, below N, not masked, and 4294967295 behind the row's k";
                throw refused("indices", reason, place(row));
            }
        }
        throw refused("", imle::message(status));
    }

    sizes leading_;
    std::size_t rows_, n_;
    counts counts_;
};

} // namespace libimle

#endif // LIBIMLE_BATCH_HPP
