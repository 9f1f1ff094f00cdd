// TopK, Argmax and Tree for Python.

#include "choice.hpp"

namespace libimle {
namespace {

template <class Layer>
nb::class_<choice<Layer>> bind(nb::module_ &module, const char *name) {
    using bound = choice<Layer>;
    return nb::class_<bound>(module, name)
        .def(nb::init<const options &, const counts &>())
        .def("find_bad_row", &bound::find_bad_row, "theta"_a, "dz"_a.none(), "k_row"_a.none())
        .def("map", &bound::map, "theta"_a, "k_row"_a.none(), "z"_a.none(), "indices"_a.none(), without_python())
        .def("sample", &bound::sample, "theta"_a, "key"_a, "k_row"_a.none(), "z"_a.none(), "indices"_a.none(),
             "marginals"_a.none(), without_python())
        .def("gradient", &bound::gradient, "theta"_a, "dz"_a, "key"_a, "k_row"_a.none(), "indices"_a.none(),
             "grad_theta"_a, without_python())
        .def("sample_at", &bound::sample_at, without_python())
        .def("gradient_at", &bound::gradient_at, without_python())
        .def("fenchel_young", &bound::fenchel_young, "theta"_a, "y"_a, "key"_a, "k_row"_a.none(), "loss"_a,
             "grad_theta"_a, without_python());
}

} // namespace

void bind_choices(nb::module_ &module) {
    bind<imle::topk>(module, "TopK");
    bind<imle::argmax>(module, "Argmax");
    bind<imle::tree>(module, "Tree")
        .def("heads", &choice<imle::tree>::heads, "indices"_a, "n_row"_a, "heads"_a, without_python());
}

} // namespace libimle
