// TopK and Argmax: perturb-and-MAP, its gradient, and the Fenchel-Young loss.

#include <algorithm>
#include <type_traits>

#include "bindings.hpp"

namespace libimle {
namespace {

using address = std::uintptr_t;

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
        run_sample(batch, theta, key, k_row, z, indices, marginals);
    }

    nb::tuple gradient(const array &theta_, const array &dz_, const key &key_, const array &k_row_,
                       const array &indices_, const writable &grad_theta_) const {
        const batch batch = batch::of(theta_, counts_);
        const floats theta = batch.per_row("theta", theta_), dz = batch.dz(dz_);
        const batch::keys key(batch, key_, options_.stratified);
        const indices k_row = batch.k_row(k_row_), lists = batch.lists(indices_, one_hot);
        const output<float> grad_theta(grad_theta_, batch.rows(), batch.n());
        diagnostics counts;
        run_gradient(batch, theta, dz, key, k_row, lists, grad_theta, counts);
        return counts.to_tuple();
    }

    // The same for arrays without gaps at addresses, in one call without objects: with those, a small call of PyTorch's
    // layer takes several times as long. The rows have no numbers and no k of their own. Where `sample` or `gradient`
    // would refuse an argument, these return false, and the results mean nothing.

    bool sample_at(address theta, std::size_t rows, std::size_t n, std::int64_t seed, std::int64_t step, address z,
                   address indices) const {
        return is_taken(rows, n, [&](const batch &batch) {
            const std::size_t states = counts_.samples;
            run_sample(batch, scores_at(theta, n), key_of(batch, seed, step), {},
                   {reinterpret_cast<float *>(z), states * n},
                   {reinterpret_cast<std::uint32_t *>(indices), states * counts_.k}, {nullptr, n});
        });
    }

    /// The gradient is multiplied by `factor`.
    bool gradient_at(address theta, std::size_t rows, std::size_t n, std::int64_t seed, std::int64_t step, address dz,
                     address indices, address grad_theta, float factor) const {
        return is_taken(rows, n, [&](const batch &batch) {
            const std::size_t states = counts_.samples;
            const floats gradients("dz", reinterpret_cast<const float *>(dz), states * n, n);
            libimle::indices lists;
            if (counts_.k > 0) {
                lists = {"indices", reinterpret_cast<const std::uint32_t *>(indices), states * counts_.k, counts_.k};
            }
            auto *const result = reinterpret_cast<float *>(grad_theta);
            diagnostics counts;
            run_gradient(batch, scores_at(theta, n), gradients, key_of(batch, seed, step), {}, lists, {result, n},
                         counts);
            if (factor != 1) {
                std::for_each(result, result + rows * n, [=](float &of) { of *= factor; });
            }
        });
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
    void run_sample(const batch &batch, const floats &theta, const batch::keys &key, const indices &k_row,
                    const output<float> &z, const output<std::uint32_t> &indices,
                    const output<float> &marginals) const {
        batch.run(workspace_len(batch), {{&theta}, {}, &k_row}, [&](const part &of, const imle::workspace &work) {
            return layer(batch, of, k_row)
                .sample(key(of), rows(theta, of), {z.blocks(of), indices.blocks(of), marginals.blocks(of)}, work);
        });
    }

    void run_gradient(const batch &batch, const floats &theta, const floats &dz, const batch::keys &key,
                      const indices &k_row, const indices &lists, const output<float> &grad_theta,
                      diagnostics &counts) const {
        batch.run(workspace_len(batch), {{&theta}, {&dz}, &k_row, &lists},
                  [&](const part &of, const imle::workspace &work) {
                      return counts.add([&](imle::diagnostics *of_part) {
                          return layer(batch, of, k_row)
                              .gradient(key(of), rows(theta, of), gradients(dz, of), lists.blocks(of),
                                        grad_theta.blocks(of), work, of_part);
                      });
                  });
    }

    static floats scores_at(address theta, std::size_t n) {
        return {"theta", reinterpret_cast<const float *>(theta), n, n};
    }

    batch::keys key_of(const batch &batch, std::int64_t seed, std::int64_t step) const {
        const key key(static_cast<std::uint64_t>(seed), static_cast<std::uint64_t>(step), 0, {}, 0, 0);
        return {batch, key, options_.stratified};
    }

    template <class Call>
    bool is_taken(std::size_t rows, std::size_t n, Call call) const {
        try {
            call(batch({rows}, n, counts_));
            return true;
        } catch (const refused &) {
            return false;
        }
    }

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

template <class Layer>
void bind(nb::module_ &module, const char *name) {
    using bound = choice<Layer>;
    nb::class_<bound>(module, name)
        .def(nb::init<const options &, const counts &>())
        .def("find_bad_row", &bound::find_bad_row, "theta"_a, "dz"_a.none(), "k_row"_a.none())
        .def("map", &bound::map, "theta"_a, "k_row"_a.none(), "z"_a.none(), "indices"_a.none())
        .def("sample", &bound::sample, "theta"_a, "key"_a, "k_row"_a.none(), "z"_a.none(), "indices"_a.none(),
             "marginals"_a.none())
        .def("gradient", &bound::gradient, "theta"_a, "dz"_a, "key"_a, "k_row"_a.none(), "indices"_a.none(),
             "grad_theta"_a)
        .def("sample_at", &bound::sample_at)
        .def("gradient_at", &bound::gradient_at)
        .def("fenchel_young", &bound::fenchel_young, "theta"_a, "y"_a, "key"_a, "k_row"_a.none(), "loss"_a,
             "grad_theta"_a);
}

} // namespace

void bind_choices(nb::module_ &module) {
    bind<imle::topk>(module, "TopK");
    bind<imle::argmax>(module, "Argmax");
}

} // namespace libimle
