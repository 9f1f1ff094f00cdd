// libimle._core: imle.hpp for arrays of Python. The Python files beside it are its only user.

#include <nanobind/stl/string.h>

#include "bindings.hpp"

namespace libimle {
namespace {

/// Raises libimle.Error for what C++ refused.
void raise_error(const std::exception_ptr &thrown, void *) {
    try {
        std::rethrow_exception(thrown);
    } catch (const refused &e) {
        const nb::object type = nb::module_::import_("libimle._errors").attr("Error");
        const nb::object error = type(e.argument, e.reason, to_tuple(e.row));
        PyErr_SetObject(type.ptr(), error.ptr());
    }
}

options options_of(std::uint32_t noise, float temperature, float target_temperature, float alpha, float lambda,
                   std::uint32_t target, std::uint32_t difference, std::uint32_t scale, std::uint32_t sog_terms,
                   float sog_kappa, std::uint32_t coupling) {
    imle::options c;
    c.sum_of_gamma(sog_terms, sog_kappa)
        .noise(imle::noise{noise})
        .temperature(temperature)
        .target_temperature(target_temperature)
        .alpha(alpha)
        .lambda(lambda)
        .target(imle::target{target})
        .difference(imle::difference{difference})
        .scale(imle::scale{scale})
        .coupling(imle::coupling{coupling});
    return {c, imle::coupling{coupling} == imle::coupling::stratified};
}

key key_of(std::uint64_t seed, std::uint64_t step, std::uint64_t row0, const nb::ndarray<nb::ro> &row_ids,
           std::uint32_t sample0, std::uint32_t strata) {
    const imle::key c = imle::key().seed(seed).step(step).row0(row0).samples(sample0, strata);
    return {c, array(row_ids), row_ids.is_valid() ? std::make_shared<nb::ndarray<nb::ro>>(row_ids) : nullptr};
}

counts of_trees(std::uint32_t words, std::uint32_t samples, std::uint32_t threads, bool projective, bool single_root) {
    return {words, samples, threads, imle::tree_options().projective(projective).single_root(single_root)};
}

} // namespace

NB_MODULE(_core, module) {
    nb::set_leak_warnings(false); // an object may live as long as the interpreter
    nb::register_exception_translator(raise_error);

    module.attr("__version__") = imle::version();
    module.def("abi_version", &imle::abi_version);
    module.def("kernel", &imle::kernel);

    nb::class_<options>(module, "Options");
    module.def("options", &options_of);
    nb::class_<key>(module, "Key").def(nb::new_(&key_of), "seed"_a, "step"_a, "row0"_a, "row_ids"_a.none(), "sample0"_a,
                                       "strata"_a);
    nb::class_<counts>(module, "Counts").def(nb::init<std::uint32_t, std::uint32_t, std::uint32_t>());
    module.def("tree_counts", &of_trees);
    bind_choices(module);
    bind_exact(module);
    bind_steps(module);
    bind_adaptive(module);
}

} // namespace libimle
