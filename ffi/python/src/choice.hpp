// TopK, Argmax and Tree: perturb-and-MAP, its gradient, and the Fenchel-Young loss.

#ifndef LIBIMLE_CHOICE_HPP
#define LIBIMLE_CHOICE_HPP

#include <cstdint>
#include <type_traits>

#include "bindings.hpp"

namespace libimle {

using address = std::uintptr_t;

/// A layer of imle.hpp without its number of rows.
template <class Layer>
class choice {
public:
    static constexpr bool one_hot = std::is_same_v<Layer, imle::argmax>, of_trees = std::is_same_v<Layer, imle::tree>;

    choice(const options &options, const counts &counts) : options_(options), counts_(counts) {}

    nb::object find_bad_row(const array &theta_, const array &dz_, const array &k_row_) const {
        const batch batch = batch::of(theta_, counts_);
        const floats theta = batch.per_row("theta", theta_);
        const floats dz = !dz_.is_valid() ? floats() : batch.dz(dz_);
        const indices k_row = batch.k_row(k_row_);
        const part all{0, batch.rows()};
        std::uint32_t row = 0;
        if constexpr (of_trees) {
            std::vector<float> workspace(workspace_len(batch));
            imle::or_throw(layer(batch, all, k_row).find_bad_row(rows(theta, all), gradients(dz, all), row, workspace));
        } else {
            imle::or_throw(layer(batch, all, k_row).find_bad_row(rows(theta, all), gradients(dz, all), row));
        }
        return row == batch.rows() ? nb::none() : nb::object(to_tuple(batch.place(row)));
    }

    void map(const array &theta_, const array &k_row_, const writable &z_, const writable &indices_) const {
        const batch batch = batch::of(theta_, counts_.of_rows());
        const floats theta = batch.per_row("theta", theta_);
        const indices k_row = batch.k_row(k_row_);
        const output<float> z(z_, batch.rows(), batch.n());
        const output<std::uint32_t> indices(indices_, batch.rows(), batch.k());
        batch.run(workspace_len(batch), {{&theta}, {}, &k_row}, [&](const part &of, const imle::workspace &work) {
            return layer(batch, of, k_row).map(rows(theta, of), {z.blocks(of), indices.blocks(of)}, work);
        });
    }

    void sample(const array &theta_, const key &key_, const array &k_row_, const writable &z_, const writable &indices_,
                const writable &marginals_) const {
        const batch batch = batch::of(theta_, counts_);
        const floats theta = batch.per_row("theta", theta_);
        const batch::keys key(batch, key_, options_.stratified);
        const indices k_row = batch.k_row(k_row_);
        const output<float> z(z_, batch.rows(), batch.samples() * batch.n());
        const output<std::uint32_t> indices(indices_, batch.rows(), batch.samples() * batch.k());
        const output<float> marginals(marginals_, batch.rows(), batch.n());
        batch.run(workspace_len(batch), {{&theta}, {}, &k_row}, [&](const part &of, const imle::workspace &work) {
            return layer(batch, of, k_row)
                .sample(key(of), rows(theta, of), {z.blocks(of), indices.blocks(of), marginals.blocks(of)}, work);
        });
    }

    imle::diagnostics gradient(const array &theta_, const array &dz_, const key &key_, const array &k_row_,
                       const array &indices_, const writable &grad_theta_) const {
        const batch batch = batch::of(theta_, counts_);
        const floats theta = batch.per_row("theta", theta_), dz = batch.dz(dz_);
        const batch::keys key(batch, key_, options_.stratified);
        const indices k_row = batch.k_row(k_row_), lists = batch.lists(indices_, one_hot);
        const output<float> grad_theta(grad_theta_, batch.rows(), batch.n());
        diagnostics counts;
        batch.run(workspace_len(batch), {{&theta}, {&dz}, &k_row, &lists},
                  [&](const part &of, const imle::workspace &work) {
                      return counts.add([&](imle::diagnostics *of_part) {
                          return layer(batch, of, k_row)
                              .gradient(key(of), rows(theta, of), gradients(dz, of), lists.blocks(of),
                                        grad_theta.blocks(of), work, of_part);
                      });
                  });
        return counts.sum();
    }

    void fenchel_young(const array &theta_, const array &y_, const key &key_, const array &k_row_,
                       const writable &loss_, const writable &grad_theta_) const {
        const batch batch = batch::of(theta_, counts_);
        const floats theta = batch.per_row("theta", theta_), y = batch.per_row("y", y_);
        const batch::keys key(batch, key_, options_.stratified);
        const indices k_row = batch.k_row(k_row_);
        const output<float> loss(loss_, batch.rows(), 1), grad_theta(grad_theta_, batch.rows(), batch.n());
        batch.run(workspace_len(batch), {{&theta}, {&y}, &k_row}, [&](const part &of, const imle::workspace &work) {
            return layer(batch, of, k_row)
                .fenchel_young(key(of), rows(theta, of), rows(y, of), loss.blocks(of), grad_theta.blocks(of), work);
        });
    }

    // The same for PyTorch's tensors without gaps, at addresses: a small call takes a fraction of the time that it takes
    // with an object for each array. Rows have neither numbers nor a k of their own. Where the functions above refuse an
    // argument, these return false, and results mean nothing.

    bool sample_at(address theta, std::int64_t rows, std::int64_t n, std::int64_t seed, std::int64_t step, address z,
                   address indices) const {
        const shapes of(counts_, rows, n);
        return is_taken([&] {
            sample(of.scores(theta), key_of(seed, step), {}, of.states(z), of.lists(indices), {});
        });
    }

    /// The gradient is multiplied by `factor`.
    bool gradient_at(address theta, std::int64_t rows, std::int64_t n, std::int64_t seed, std::int64_t step, address dz,
                     address indices, address grad_theta, float factor) const {
        const shapes of(counts_, rows, n);
        return is_taken([&] {
            gradient(of.scores(theta), of.states(dz), key_of(seed, step), {}, of.lists(indices), of.scores(grad_theta));
            auto *const result = reinterpret_cast<float *>(grad_theta);
            for (std::int64_t i = 0; factor != 1 && i < rows * n; i++) {
                result[i] *= factor;
            }
        });
    }

    /// Of trees: the heads of lists, both [..., 1, K].
    void heads(const array &indices_, const array &k_row_, const writable &heads_) const {
        const sizes shape = shape_of(indices_);
        const batch batch(sizes(shape.begin(), shape.end() - 2), std::size_t{counts_.k} * counts_.k, counts_.of_rows());
        const indices k_row = batch.k_row(k_row_), lists = batch.lists(indices_, one_hot);
        const output<std::uint32_t> heads(heads_, batch.rows(), batch.k());
        batch.run(0, {{}, {}, &k_row, &lists}, [&](const part &of, const imle::workspace &) {
            return layer(batch, of, k_row).heads(lists.blocks(of), heads.blocks(of));
        });
    }

private:
    /// The arrays of one call at addresses.
    class shapes {
    public:
        shapes(const counts &of, std::int64_t rows, std::int64_t n)
            : scores_{rows, n}, states_{rows, of.samples, n}, lists_{rows, of.samples, of.k} {}

        writable scores(address at) const { return {pointer(at), nb::dtype<float>(), 2, scores_}; }
        writable states(address at) const { return {pointer(at), nb::dtype<float>(), 3, states_}; }
        writable lists(address at) const {
            return {pointer(at), nb::dtype<std::uint32_t>(), one_hot ? std::size_t{2} : std::size_t{3}, lists_};
        }

    private:
        static void *pointer(address at) { return reinterpret_cast<void *>(at); }

        const std::int64_t scores_[2], states_[3], lists_[3];
    };

    static key key_of(std::int64_t seed, std::int64_t step) {
        return {imle::key().seed(static_cast<std::uint64_t>(seed)).step(static_cast<std::uint64_t>(step)), {}, {}};
    }

    template <class Call>
    static bool is_taken(Call call) {
        try {
            call();
            return true;
        } catch (const refused &) {
            return false;
        }
    }

    Layer layer(const batch &batch, const part &of, const indices &k_row) const {
        if constexpr (of_trees) {
            return Layer(batch.shape(of), options_.c, counts_.trees.value()).n_row(k_row.blocks(of));
        } else if constexpr (one_hot) {
            return Layer(batch.shape(of), options_.c);
        } else {
            return Layer(batch.shape(of), options_.c).k_row(k_row.blocks(of));
        }
    }

    std::size_t workspace_len(const batch &batch) const { return layer(batch, {0, batch.rows()}, {}).workspace_len(); }

    options options_;
    counts counts_;
};

} // namespace libimle

#endif // LIBIMLE_CHOICE_HPP
