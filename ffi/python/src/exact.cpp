// ExactTopK, ExactArgmax and ExactTree for Python.

#include "exact.hpp"

namespace libimle {
namespace {

template <class Law>
nb::class_<exact<Law>> bind(nb::module_ &module, const char *name) {
    using bound = exact<Law>;
    return nb::class_<bound>(module, name)
        .def(nb::init<float, const counts &>())
        .def("marginals", &bound::marginals, "theta"_a, "k_row"_a.none(), "marginals"_a.none(),
             "log_partition"_a.none(), "entropy"_a.none(), without_python())
        .def("marginals_vjp", &bound::marginals_vjp, "theta"_a, "v"_a, "k_row"_a.none(), "out"_a, without_python())
        .def("sample", &bound::sample, "theta"_a, "key"_a, "k_row"_a.none(), "z"_a.none(), "indices"_a.none(),
             without_python())
        .def("log_prob", &bound::log_prob, "theta"_a, "indices"_a, "k_row"_a.none(), "log_prob"_a, without_python())
        .def("kl", &bound::kl, "theta"_a, "theta_other"_a, "k_row"_a.none(), "kl"_a, without_python())
        .def("simple", &bound::simple, "theta"_a, "dz"_a, "k_row"_a.none(), "grad_theta"_a, without_python())
        .def("score_function", &bound::score_function, "theta"_a, "indices"_a, "losses"_a, "k_row"_a.none(),
             "grad_theta"_a, without_python())
        .def("unbiased_simple", &bound::unbiased_simple, "theta"_a, "indices"_a, "dz"_a, "losses"_a, "k_row"_a.none(),
             "grad_theta"_a, without_python());
}

} // namespace

void bind_exact(nb::module_ &module) {
    bind<imle::exact_argmax>(module, "ExactArgmax");
    bind<imle::exact_tree>(module, "ExactTree");
    bind<imle::exact_topk>(module, "ExactTopK")
        .def("log_partitions", &exact<imle::exact_topk>::log_partitions, without_python())
        .def("log_partitions_vjp", &exact<imle::exact_topk>::log_partitions_vjp, without_python());
}

} // namespace libimle
