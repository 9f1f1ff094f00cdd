// TopK and Argmax: perturb-and-MAP, its gradient, and the Fenchel-Young loss.

#ifndef LIBIMLE_CHOICE_HPP
#define LIBIMLE_CHOICE_HPP

#include <type_traits>

#include "bindings.hpp"

namespace libimle {

/// A layer of imle.hpp without its number of rows.
template <class Layer>
class choice {
public:
    static constexpr bool one_hot = std::is_same_v<Layer, imle::argmax>;

    choice(const options &options, const counts &counts) : options_(options), counts_(counts) {}

    nb::object find_bad_row(const array &theta_, const array &dz_, const array &k_row_) const {
        const batch batch = batch::of(theta_, counts_);
        const floats theta = batch.per_row("theta", theta_);
        const floats dz = !dz_.is_valid() ? floats() : batch.dz(dz_);
        const indices k_row = batch.k_row(k_row_);
        const part all{0, batch.rows()};
        std::uint32_t row = 0;
        imle::or_throw(layer(batch, all, k_row).find_bad_row(rows(theta, all), gradients(dz, all), row));
        return row == batch.rows() ? nb::none() : nb::object(to_tuple(batch.place(row)));
    }

    void map(const array &theta_, const array &k_row_, const writable &z_, const writable &indices_) const {
        const batch batch = batch::of(theta_, {counts_.k, 1, counts_.threads});
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

private:
    Layer layer(const batch &batch, const part &of, const indices &k_row) const {
        Layer layer(batch.shape(of), options_.c);
        if constexpr (!one_hot) {
            layer.k_row(k_row.blocks(of));
        }
        return layer;
    }

    std::size_t workspace_len(const batch &batch) const { return layer(batch, {0, batch.rows()}, {}).workspace_len(); }

    options options_;
    counts counts_;
};

} // namespace libimle

#endif // LIBIMLE_CHOICE_HPP
