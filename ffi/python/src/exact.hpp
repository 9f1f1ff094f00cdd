// ExactTopK, ExactArgmax and ExactTree: the distribution p(z) itself, and the estimators that draw from it.

#ifndef LIBIMLE_EXACT_HPP
#define LIBIMLE_EXACT_HPP

#include <type_traits>

#include "bindings.hpp"

namespace libimle {

/// A distribution of imle.hpp without its number of rows.
template <class Law>
class exact {
public:
    static constexpr bool one_hot = std::is_same_v<Law, imle::exact_argmax>;

    exact(float temperature, const counts &counts) : temperature_(temperature), counts_(counts) {}

    void marginals(const array &theta_, const array &k_row_, const writable &marginals_, const writable &log_partition_,
                   const writable &entropy_) const {
        const batch batch = of_rows(theta_);
        const floats theta = batch.per_row("theta", theta_);
        const indices k_row = batch.k_row(k_row_);
        const output<float> marginals(marginals_, batch.rows(), batch.n()),
            log_partition(log_partition_, batch.rows(), 1), entropy(entropy_, batch.rows(), 1);
        batch.run(workspace_len(batch), {{&theta}, {}, &k_row}, [&](const part &of, const imle::workspace &work) {
            return law(batch, of, k_row)
                .marginals(rows(theta, of), {marginals.blocks(of), log_partition.blocks(of), entropy.blocks(of)}, work);
        });
    }

    void marginals_vjp(const array &theta_, const array &v_, const array &k_row_, const writable &out_) const {
        const batch batch = of_rows(theta_);
        const floats theta = batch.per_row("theta", theta_), v = batch.per_row("v", v_);
        const indices k_row = batch.k_row(k_row_);
        const output<float> out(out_, batch.rows(), batch.n());
        batch.run(workspace_len(batch), {{&theta}, {&v}, &k_row}, [&](const part &of, const imle::workspace &work) {
            return law(batch, of, k_row).marginals_vjp(rows(theta, of), rows(v, of), out.blocks(of), work);
        });
    }

    void sample(const array &theta_, const key &key_, const array &k_row_, const writable &z_,
                const writable &indices_) const {
        const batch batch = batch::of(theta_, counts_);
        const floats theta = batch.per_row("theta", theta_);
        const batch::keys key(batch, key_, false);
        const indices k_row = batch.k_row(k_row_);
        const output<float> z(z_, batch.rows(), batch.samples() * batch.n());
        const output<std::uint32_t> indices(indices_, batch.rows(), batch.samples() * batch.k());
        batch.run(workspace_len(batch), {{&theta}, {}, &k_row}, [&](const part &of, const imle::workspace &work) {
            return law(batch, of, k_row).sample(key(of), rows(theta, of), {z.blocks(of), indices.blocks(of)}, work);
        });
    }

    void log_prob(const array &theta_, const array &indices_, const array &k_row_, const writable &log_prob_) const {
        const batch batch = batch::of(theta_, counts_);
        const floats theta = batch.per_row("theta", theta_);
        const indices k_row = batch.k_row(k_row_), lists = batch.lists(indices_, one_hot);
        const output<float> log_prob(log_prob_, batch.rows(), batch.samples());
        batch.run(
            workspace_len(batch), {{&theta}, {}, &k_row, &lists}, [&](const part &of, const imle::workspace &work) {
                return law(batch, of, k_row).log_prob(rows(theta, of), lists.blocks(of), log_prob.blocks(of), work);
            });
    }

    void kl(const array &theta_, const array &theta_other_, const array &k_row_, const writable &kl_) const {
        const batch batch = of_rows(theta_);
        const floats theta = batch.per_row("theta", theta_), other = batch.per_row("theta_other", theta_other_);
        const indices k_row = batch.k_row(k_row_);
        const output<float> kl(kl_, batch.rows(), 1);
        batch.run(workspace_len(batch), {{&theta, &other}, {}, &k_row},
                  [&](const part &of, const imle::workspace &work) {
                      return law(batch, of, k_row).kl(rows(theta, of), rows(other, of), kl.blocks(of), work);
                  });
    }

    void simple(const array &theta_, const array &dz_, const array &k_row_, const writable &grad_theta_) const {
        const batch batch = batch::of(theta_, counts_);
        const floats theta = batch.per_row("theta", theta_), dz = batch.dz(dz_);
        const indices k_row = batch.k_row(k_row_);
        const output<float> grad_theta(grad_theta_, batch.rows(), batch.n());
        batch.run(workspace_len(batch), {{&theta}, {&dz}, &k_row}, [&](const part &of, const imle::workspace &work) {
            return law(batch, of, k_row).simple(rows(theta, of), gradients(dz, of), grad_theta.blocks(of), work);
        });
    }

    void score_function(const array &theta_, const array &indices_, const array &losses_, const array &k_row_,
                        const writable &grad_theta_) const {
        const batch batch = batch::of(theta_, counts_);
        const floats theta = batch.per_row("theta", theta_), losses = batch.losses(losses_);
        const indices k_row = batch.k_row(k_row_), lists = batch.lists(indices_, one_hot);
        const output<float> grad_theta(grad_theta_, batch.rows(), batch.n());
        batch.run(0, {{&theta}, {&losses}, &k_row, &lists}, [&](const part &of, const imle::workspace &) {
            return law(batch, of, k_row)
                .score_function(rows(theta, of), lists.blocks(of), losses.blocks(of), grad_theta.blocks(of));
        });
    }

    void unbiased_simple(const array &theta_, const array &indices_, const array &dz_, const array &losses_,
                         const array &k_row_, const writable &grad_theta_) const {
        const batch batch = batch::of(theta_, counts_);
        const floats theta = batch.per_row("theta", theta_), dz = batch.dz(dz_), losses = batch.losses(losses_);
        const indices k_row = batch.k_row(k_row_), lists = batch.lists(indices_, one_hot);
        const output<float> grad_theta(grad_theta_, batch.rows(), batch.n());
        const batch::data inputs{{&theta}, {&dz, &losses}, &k_row, &lists};
        batch.run(workspace_len(batch), inputs, [&](const part &of, const imle::workspace &work) {
            return law(batch, of, k_row)
                .unbiased_simple(rows(theta, of), lists.blocks(of), gradients(dz, of), losses.blocks(of),
                                 grad_theta.blocks(of), work);
        });
    }

    void log_partitions(const array &theta_, const writable &log_partitions_) const {
        const batch batch = of_rows(theta_);
        const floats theta = batch.per_row("theta", theta_);
        const output<float> log_partitions(log_partitions_, batch.rows(), batch.k() + 1);
        batch.run(workspace_len(batch), {{&theta}, {}}, [&](const part &of, const imle::workspace &work) {
            return law(batch, of, {}).log_partitions(rows(theta, of), log_partitions.blocks(of), work);
        });
    }

    void log_partitions_vjp(const array &theta_, const array &v_, const writable &out_) const {
        const batch batch = of_rows(theta_);
        const floats theta = batch.per_row("theta", theta_), v = batch.per_row("v", v_, batch.k() + 1);
        const output<float> out(out_, batch.rows(), batch.n());
        batch.run(workspace_len(batch), {{&theta}, {&v}}, [&](const part &of, const imle::workspace &work) {
            return law(batch, of, {}).log_partitions_vjp(rows(theta, of), rows(v, of), out.blocks(of), work);
        });
    }

private:
    // A call that ignores samples.
    batch of_rows(const array &theta) const { return batch::of(theta, counts_.of_rows()); }

    Law law(const batch &batch, const part &of, const indices &k_row) const {
        if constexpr (std::is_same_v<Law, imle::exact_tree>) {
            return Law(batch.shape(of), temperature_, counts_.trees.value()).n_row(k_row.blocks(of));
        } else if constexpr (one_hot) {
            return Law(batch.shape(of), temperature_);
        } else {
            return Law(batch.shape(of), temperature_).k_row(k_row.blocks(of));
        }
    }

    std::size_t workspace_len(const batch &batch) const { return law(batch, {0, batch.rows()}, {}).workspace_len(); }

    float temperature_;
    counts counts_;
};

} // namespace libimle

#endif // LIBIMLE_EXACT_HPP
