// The steps of a layer for Python.

#include "steps.hpp"

namespace libimle {

void bind_steps(nb::module_ &module) {
    nb::class_<steps>(module, "Steps")
        .def(nb::init<const options &, const counts &>())
        .def("perturb", &steps::perturb, without_python())
        .def("target", &steps::target, without_python())
        .def("difference", &steps::difference, without_python())
        .def("noise", &steps::noise, without_python())
        .def("perturbed_gradient", &steps::perturbed_gradient, without_python());
    module.def("straight_through", &straight_through, without_python());
}

} // namespace libimle
