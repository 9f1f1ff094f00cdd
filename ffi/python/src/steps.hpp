// The steps of a layer one by one, for any solver, and the estimators that need no solver.

#ifndef LIBIMLE_STEPS_HPP
#define LIBIMLE_STEPS_HPP

#include "bindings.hpp"

namespace libimle {

/// imle::own_solver without its number of rows, and the functions beside it.
class steps {
public:
    steps(const options &options, const counts &counts) : options_(options), counts_(counts) {}

    void perturb(const array &theta_, const key &key_, const writable &scores_) const {
        const batch batch = batch::of(theta_, counts_);
        const floats theta = batch.per_row("theta", theta_);
        const batch::keys key(batch, key_, options_.stratified);
        const output<float> scores(scores_, batch.rows(), batch.samples() * batch.n());
        batch.run(0, {{&theta}, {}}, [&](const part &of, const imle::workspace &) {
            return solver(batch, of).perturb(key(of), rows(theta, of), scores.blocks(of));
        });
    }

    void target(const array &theta_, const array &dz_, const key &key_, std::int32_t side,
                const writable &scores_) const {
        const batch batch = batch::of(theta_, counts_);
        const floats theta = batch.per_row("theta", theta_), dz = batch.dz(dz_);
        const batch::keys key(batch, key_, options_.stratified);
        const output<float> scores(scores_, batch.rows(), batch.samples() * batch.n());
        batch.run(0, {{&theta}, {&dz}}, [&](const part &of, const imle::workspace &) {
            return solver(batch, of).target(key(of), imle::side{side}, rows(theta, of), gradients(dz, of),
                                            scores.blocks(of));
        });
    }

    imle::diagnostics difference(const array &z_, const array &z_target_, const writable &grad_theta_) const {
        const batch batch = of_states("z", shape_of(z_));
        const floats z = batch.states("z", z_), z_target = batch.states("z_target", z_target_);
        const output<float> grad_theta(grad_theta_, batch.rows(), batch.n());
        diagnostics counts;
        batch.run(0, {{}, {&z, &z_target}}, [&](const part &of, const imle::workspace &) {
            return counts.add([&](imle::diagnostics *of_part) {
                return solver(batch, of).difference(z.blocks(of), z_target.blocks(of), grad_theta.blocks(of), of_part);
            });
        });
        return counts.sum();
    }

    void noise(const key &key_, const writable &noise_) const {
        const batch batch = of_states("noise", shape_of(noise_));
        const batch::keys key(batch, key_, options_.stratified);
        const output<float> noise(noise_, batch.rows(), batch.samples() * batch.n());
        batch.run(0, {}, [&](const part &of, const imle::workspace &) {
            return solver(batch, of).noise(key(of), noise.blocks(of));
        });
    }

    void perturbed_gradient(const array &theta_, const array &losses_, const key &key_,
                            const writable &grad_theta_) const {
        const batch batch = batch::of(theta_, counts_);
        const floats theta = batch.per_row("theta", theta_), losses = batch.losses(losses_);
        const batch::keys key(batch, key_, options_.stratified);
        const output<float> grad_theta(grad_theta_, batch.rows(), batch.n());
        batch.run(0, {{&theta}, {&losses}}, [&](const part &of, const imle::workspace &) {
            return imle::perturbed_gradient(batch.shape(of), options_.c, key(of), rows(theta, of), losses.blocks(of),
                                            grad_theta.blocks(of));
        });
    }

private:
    // The batch of an array of states [..., S, N].
    batch of_states(const char *name, const sizes &shape) const {
        if (shape.size() < 2) {
            throw refused(name, "has shape " + text(shape) + ", but should be [..., S, N]");
        }
        return batch(sizes(shape.begin(), shape.end() - 2), shape.back(), counts_);
    }

    imle::own_solver solver(const batch &batch, const part &of) const {
        return imle::own_solver(batch.shape(of), options_.c);
    }

    options options_;
    counts counts_;
};

inline void straight_through(const counts &counts, const array &theta_, const array &dz_, const writable &grad_theta_) {
    const batch batch = batch::of(theta_, counts);
    const floats theta = batch.per_row("theta", theta_), dz = batch.dz(dz_);
    const output<float> grad_theta(grad_theta_, batch.rows(), batch.n());
    batch.run(0, {{&theta}, {&dz}}, [&](const part &of, const imle::workspace &) {
        return imle::straight_through(batch.shape(of), rows(theta, of), gradients(dz, of), grad_theta.blocks(of));
    });
}

} // namespace libimle

#endif // LIBIMLE_STEPS_HPP
